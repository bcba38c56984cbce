-- Addresses that at least two of some accounts used, with everybody who used them: the rarer, the more it says.
-- parameter accounts: list[str]        account ids
-- parameter most: int = 1000           addresses with more holders are left out
-- column ip: str
-- column of_these: int                 of the accounts given
-- column holders: int                  accounts in all
-- column first_at: datetime            first use by one of them
-- column last_at: datetime             last use by one of them
select
  ip,
  count(distinct account_id) filter (where account_id = any($accounts)) as of_these,
  count(distinct account_id) as holders,
  min(event_at) filter (where account_id = any($accounts)) as first_at,
  max(event_at) filter (where account_id = any($accounts)) as last_at
from auth_events
where ip in (select ip from auth_events where account_id = any($accounts))
group by ip
having count(distinct account_id) filter (where account_id = any($accounts)) >= 2 and count(distinct account_id) <= $most
order by holders, ip

-- Accounts that signed in or up from an address: who, when, how often. A crowd means a shared exit, not a ring.
-- parameter ip: str                    the address, as exact text
-- column account_id: str
-- column first_at: datetime            first seen there
-- column last_at: datetime             last seen there
-- column n: int                        times
select account_id, min(event_at) as first_at, max(event_at) as last_at, count(*) as n
from auth_events
where ip = $ip
group by account_id
order by first_at, account_id

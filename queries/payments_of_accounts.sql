-- How accounts paid: attempts, what the bank declined, cards and their issuers' countries. Many cards and declines: testing.
-- parameter accounts: list[str]        account ids
-- column account_id: str
-- column attempts: int
-- column declined: int                 attempts with a decline code
-- column methods: int                  different means of payment
-- column issuer_countries: int         countries of the banks
-- column first_at: datetime
-- column last_at: datetime
select
  account_id,
  count(*) as attempts,
  count(decline_code) as declined,
  count(distinct pm_id) as methods,
  count(distinct issuer_cc) as issuer_countries,
  min(event_at) as first_at,
  max(event_at) as last_at
from payments
where account_id = any($accounts)
group by account_id
order by account_id

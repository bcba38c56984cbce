-- What accounts asked of the product: requests, refusals, tokens and cost, from first to last.
-- parameter accounts: list[str]        account ids
-- column account_id: str
-- column requests: int
-- column refusals: int                 requests that the model refused
-- column in_tok: int                   tokens in
-- column out_tok: int                  tokens out
-- column cost_micros: int              millionths of the currency
-- column first_at: datetime
-- column last_at: datetime
select
  account_id,
  count(*) as requests,
  count(*) filter (where refusal) as refusals,
  coalesce(sum(in_tok), 0) as in_tok,
  coalesce(sum(out_tok), 0) as out_tok,
  cast(coalesce(sum(cost_micros), 0) as bigint) as cost_micros,
  min(event_at) as first_at,
  max(event_at) as last_at
from requests
where account_id = any($accounts)
group by account_id
order by account_id

-- Accounts opened in each hour of a span, and from how many addresses' countries: a burst stands out beside its neighbours.
-- parameter start: datetime            from here on
-- parameter before: datetime           up to here, not included
-- column hour: datetime
-- column signups: int
-- column countries: int                different countries of sign-up
select date_trunc('hour', created_at) as hour, count(*) as signups, count(distinct signup_country) as countries
from accounts
where created_at >= $start and created_at < $before
group by 1
order by 1

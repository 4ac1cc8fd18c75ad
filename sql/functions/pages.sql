-- Lists that are given out in pages, and the numbers in the query of a URL.

create or replace function cargo_store.url_encode(text text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(string_agg(
                        case when chr(b.byte) ~ '[A-Za-z0-9_.~-]' collate "C"
                             then chr(b.byte)
                             else '%' || lpad(upper(to_hex(b.byte)), 2, '0')
                        end,
                        '' order by b.position),
                    '')
      from (select get_byte(u.bytes, i) as byte, i as position
              from (select convert_to($1, 'UTF8') as bytes) u,
                   generate_series(0, length(u.bytes) - 1) i) b;
$$;

comment on function cargo_store.url_encode(text) is
    'For an argument in the query of a URL.';


create or replace function cargo_store.read_page(
    query jsonb,
    out refusal text,
    out per_page integer,
    out page integer)
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    size   constant text := ltrim(coalesce(query->>'per_page', '10'), '0');
    number constant text := ltrim(coalesce(query->>'page', '1'), '0');
begin
    if size ~ '[^0-9]' or size = '' then
        refusal := '`per_page` must be a whole number from 1 to 100';

    elsif length(size) > 3 or size::integer > 100 then
        refusal := 'cannot request more than 100 items';

    elsif number ~ '[^0-9]' or number = '' or length(number) > 5
        or number::integer > 10000
    then
        refusal := '`page` must be a whole number from 1 to 10000';

    else
        per_page := size;
        page := number;
    end if;
end
$$;

comment on function cargo_store.read_page(jsonb) is
    'The arguments per_page (10) and page (1) of a list; refusal (400) is null '
    'when all is well.';


create or replace function cargo_store.read_id(text text)
returns bigint
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select case when $1 ~ '^0*[0-9]{1,18}$' collate "C" then $1::bigint end;
$$;

comment on function cargo_store.read_id(text) is
    'The number that somebody claims to be an id; null when it can be none.';


create or replace function cargo_store.page_query(
    query jsonb,
    arguments text[],
    start text)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select '?' || $3
           || coalesce(string_agg('&' || a.name || '=' || url_encode(v.value),
                                  '' order by a.position, v.position),
                       '')
      from unnest($2) with ordinality a(name, position)
           cross join lateral jsonb_array_elements_text(
               case jsonb_typeof($1->a.name)
                    when 'array' then $1->a.name
                    else jsonb_build_array($1->a.name) end)
               with ordinality v(value, position)
     where v.value is not null;
$$;

comment on function cargo_store.page_query(jsonb, text[], text) is
    'The query of another page, with the arguments of this one.  start: where '
    'it starts, "page=2" or "seek=1".';


create or replace function cargo_store.page_meta(
    query jsonb,
    arguments text[],
    total bigint,
    per_page integer,
    page integer)
returns json
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'total', $3,
               'next_page', case when $5 * $4 < $3 and $5 < 10000
                                 then page_query($1, $2, 'page=' || $5 + 1)
                            end,
               'prev_page', case when $5 > 1
                                 then page_query($1, $2, 'page=' || $5 - 1)
                            end);
$$;

comment on function cargo_store.page_meta(jsonb, text[], bigint, integer,
                                          integer) is
    'The member "meta" of a list whose pages have numbers.';


create or replace function cargo_store.seek_meta(
    query jsonb,
    arguments text[],
    total bigint,
    last_id bigint)
returns json
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'total', $3,
               'next_page', page_query($1, $2, 'seek=' || $4),
               'prev_page', null);
$$;

comment on function cargo_store.seek_meta(jsonb, text[], bigint, bigint) is
    'The same of a list that is read on behind last_id, the last of this page; '
    'null: there is no more.';

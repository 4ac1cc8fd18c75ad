-- Lists that are given out in pages.

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


create or replace function cargo_store.page_query(
    query jsonb,
    arguments text[],
    page integer)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select '?page=' || $3
           || coalesce(string_agg('&' || a.name || '='
                                  || url_encode($1->>a.name),
                                  '' order by a.position)
                           filter (where $1->>a.name is not null),
                       '')
      from unnest($2) with ordinality a(name, position);
$$;

comment on function cargo_store.page_query(jsonb, text[], integer) is
    'The query of another page, with the arguments of this one.';


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
                                 then page_query($1, $2, $5 + 1) end,
               'prev_page', case when $5 > 1
                                 then page_query($1, $2, $5 - 1) end);
$$;

comment on function cargo_store.page_meta(jsonb, text[], bigint, integer,
                                          integer) is
    'The member "meta" of a list in pages.';

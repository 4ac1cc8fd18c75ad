-- What the sparse index is made of.  index_document() is stable, and one
-- snapshot serves its body and its date.

create or replace function cargo.index_config(
    registry text,
    token bytea,
    out status integer,
    out body text,
    out auth_required boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;
    auth_required := caller.auth_required;

    -- cargo asks for config.json once in every run: the one read that counts
    -- as a use of the token, so that the others can go to a replica
    if caller.token_id is not null then
        perform touch_token(caller.token_id, caller.last_used_at);
    end if;
end
$$;

comment on function cargo.index_config(text, bytea) is
    'Is there such a registry, does it ask for a token, is this one good?  '
    '200 with an empty body; 401 no good token for a private registry; '
    '404 no such registry.';


create or replace function cargo.index_document(
    registry text,
    token bytea,
    crate text,
    out status integer,
    out body text,
    out modified bigint,
    out auth_required boolean)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
set enable_bitmapscan = off
as $$
declare
    caller record;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;
    auth_required := caller.auth_required;

    if status <> 200 then
        return;
    end if;

    -- The inner order by is read off the index, and the aggregate keeps it; a
    -- bitmap scan would collect the same pages and then sort wide rows.
    select extract(epoch from c.index_modified),
           (select string_agg(l.line, '')
              from (select v.index_head
                           || case when v.yanked then 'true' else 'false' end
                           || v.index_tail || E'\n' as line
                      from versions v
                     where v.crate_id = c.id
                     order by v.id) l)
      into modified, body
      from crates c
     where c.registry_id = caller.registry_id
       and c.canonical_name = replace(crate, '-', '_')
       and lower(c.name) = crate;

    if body is null then
        status := 404;
        body := no_crate(crate);
        modified := null;
    end if;
end
$$;

comment on function cargo.index_document(text, bytea, text) is
    'The index document of a crate, named as in the index path: lower case, '
    '"-" and "_" as they are.  modified: seconds since 1970.  '
    '200 with the lines in publish order; 401 no good token for a private '
    'registry; 404 no such registry or crate.';

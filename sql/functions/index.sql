-- What the sparse index is made of.  index_document() is stable, and one
-- snapshot serves its body and its date.

create or replace function cargo.index_config(
    registry text,
    caller cargo.caller,
    out status integer,
    out body text,
    out account text,
    out token_name text,
    out private boolean,
    out limited boolean,
    out expires bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_for_read(registry, caller);
begin
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;
    private := (access.settings).auth_required;
    limited := read_patterns(access) is not null;
    expires := expiry(access);

    -- cargo asks for config.json once in every run: the one read that counts
    -- as a use of the token, so that the others can go to a replica
    if status = 200 then
        perform touch_token(access);
    end if;
end
$$;

comment on function cargo.index_config(text, cargo.caller) is
    'Is there such a registry, does it ask for a token (private), is this one '
    'good, until when (expires, seconds since 1970), and is it only good for '
    'some crates (limited)?  private: null when there is no such registry.  '
    '200 with an empty body; 401 no good token for a private registry; '
    '403 one without the scope read, a login without rights; '
    '404 no such registry.';


create or replace function cargo.index_document(
    registry text,
    caller cargo.caller,
    crate text,
    out status integer,
    out body text,
    out account text,
    out token_name text,
    out private boolean,
    out limited boolean,
    out expires bigint,
    out restricted boolean,
    out hidden boolean,
    out modified bigint)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
set enable_bitmapscan = off
as $$
declare
    access cargo_store.access := open_for_read(registry, caller);
begin
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;
    private := (access.settings).auth_required;
    limited := read_patterns(access) is not null;
    expires := expiry(access);

    if status <> 200 then
        return;
    end if;

    -- The inner order by is read off the index, and the aggregate keeps it; a
    -- bitmap scan would collect the same pages and then sort wide rows.
    select extract(epoch from c.index_modified), c.restricted,
           (select string_agg(l.line, '')
              from (select v.index_head
                           || case when v.yanked then 'true' else 'false' end
                           || v.index_tail || E'\n' as line
                      from versions v
                     where v.crate_id = c.id
                     order by v.id) l)
      into modified, restricted, body
      from crates c
     where c.registry_id = (access.settings).id
       and c.canonical_name = replace(crate, '-', '_')
       and lower(c.name) = crate
       and sees(c, access);

    restricted := coalesce(restricted, false);
    hidden := false;

    if body is null then
        status := 404;
        body := no_crate(crate);
        modified := null;
        hidden := is_hidden(access, crate);
    end if;
end
$$;

comment on function cargo.index_document(text, cargo.caller, text) is
    'The index document of a crate, named as in the index path: lower case, '
    '"-" and "_" as they are.  private, limited, expires: as of '
    'index_config().  restricted: not everybody who may read here is given '
    'this.  hidden: there is such a crate, but not for this caller.  modified: '
    'seconds since 1970.  '
    '200 with the lines in publish order; 401 no good token for a private '
    'registry; 403 one without the scope read, a login without rights; '
    '404 no such registry or crate.';

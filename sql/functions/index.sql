-- What the sparse index is made of.  index_documents() is stable, and one
-- snapshot serves the bodies and their dates.

-- not of the row: a body that is parsed keeps its type from being changed
create or replace function cargo_store.index_line(
    head text,
    yanked boolean,
    tail text)
returns text
language sql immutable parallel safe
return head || case when yanked then 'true' else 'false' end || tail || E'\n';

comment on function cargo_store.index_line(text, boolean, text) is
    'The line of a version, of its columns, with its end.';


create or replace function cargo_store.is_stored(length bigint)
returns boolean
language sql immutable parallel safe
return length <= 100000;

comment on function cargo_store.is_stored(bigint) is
    'Is a document of so many bytes stored whole?';


create or replace function cargo_store.store_document(
    crate cargo_store.crates)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if not crate.restricted then
        insert into documents as d (registry_id, name, crate_id, modified,
                                    body)
        select crate.registry_id, lower(crate.name), crate.id,
               extract(epoch from crate.index_modified),
               string_agg(v.line, '' order by v.id)
          from (select w.id,
                       index_line(w.index_head, w.yanked,
                                  w.index_tail) as line
                  from versions w
                 where w.crate_id = crate.id) v
        having is_stored(sum(octet_length(v.line)))
            on conflict on constraint documents_pkey do update
           set modified = excluded.modified, body = excluded.body;

        if found then
            return;
        end if;
    end if;

    delete from documents d where d.crate_id = crate.id;
end
$$;

comment on function cargo_store.store_document(cargo_store.crates) is
    'Brings what is stored of a crate, the row as it is now and locked, up to '
    'date.';


create or replace function cargo_store.append_to_document(
    registry_id bigint,
    name text,
    modified timestamptz,
    line text)
returns boolean
language plpgsql volatile
as $$
begin
    update documents d
       set modified = extract(epoch from append_to_document.modified),
           body = d.body || line
     where d.registry_id = append_to_document.registry_id
       and d.name = append_to_document.name
       and is_stored(octet_length(d.body) + octet_length(line));

    return found;
end
$$;

comment on function cargo_store.append_to_document(bigint, text, timestamptz,
                                                   text) is
    'The same for a document whose last line is new, and nothing else; false: '
    'it is not stored, or gets too long for that.';


create or replace function cargo_store.document_hidden()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    perform store_document(new);
    return null;
end
$$;

comment on function cargo_store.document_hidden() is
    'Nobody restricts a crate and leaves its document for all to read.';


create or replace trigger crates_documents
    after update of restricted on cargo_store.crates
    for each row
    when (old.restricted <> new.restricted)
    execute function cargo_store.document_hidden();


create or replace function cargo_admin.store_documents(
    after bigint,
    number integer,
    out last bigint)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    crate crates;
begin
    -- in the order of their ids, as everybody who locks several
    for crate in
        select *
          from crates c
         where c.id > after
           and c.num_versions > 0
           and not c.restricted
           and not exists (select from documents d
                            where d.crate_id = c.id
                              and d.crate_id > after)
         order by c.id
         limit number
           for no key update
    loop
        perform store_document(crate);
        last := crate.id;
    end loop;
end
$$;

comment on function cargo_admin.store_documents(bigint, integer) is
    'Stores the documents of some crates that have none stored, of those whose '
    'ids come after the first argument.  last: the id of the last of them; '
    'null: there are no more.';


create or replace function cargo_store.find_document(
    access cargo_store.access,
    crate text,
    out body text,
    out restricted boolean,
    out modified bigint)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_bitmapscan = off
as $$
begin
    -- The inner order by is read off the index, and the aggregate keeps it; a
    -- bitmap scan would collect the same pages and then sort wide rows.
    select extract(epoch from c.index_modified), c.restricted,
           (select string_agg(l.line, '')
              from (select index_line(v.index_head, v.yanked,
                                      v.index_tail) as line
                      from versions v
                     where v.crate_id = c.id
                     order by v.id) l)
      into modified, restricted, body
      from crates c
     where c.registry_id = (access.settings).id
       and c.canonical_name = replace(crate, '-', '_')
       and lower(c.name) = crate
       and sees(c, access);
end
$$;

comment on function cargo_store.find_document(cargo_store.access, text) is
    'The document of a crate, stored or not, if the caller sees it; body: '
    'null if not.';


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
    if status = 200 and needs_touch(access) then
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


create or replace function cargo.index_documents(
    registry text,
    caller cargo.caller,
    crates text[],
    out status integer,
    out body text,
    out account text,
    out token_name text,
    out private boolean,
    out limited boolean,
    out expires bigint,
    out restricted boolean,
    out hidden boolean,
    out modified bigint,
    out crate text)
returns setof record
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    access  cargo_store.access := open_for_read(registry, caller);
    granted constant boolean := access.status = 200;
    stored  bigint;
begin
    account := access.account;
    token_name := access.token_name;
    private := (access.settings).auth_required;
    limited := read_patterns(access) is not null;
    expires := expiry(access);

    -- what all see who may read here, a row for each
    if granted and not limited then
        return query
        select 200, d.body, index_documents.account,
               index_documents.token_name, index_documents.private, false,
               index_documents.expires, false, false, d.modified, d.name
          from unnest(crates) w (name)
               join documents d on d.registry_id = (access.settings).id
                               and d.name = w.name;

        get diagnostics stored = row_count;

        if stored = cardinality(crates) then
            return;
        end if;

        crates := array(select w.name
                          from unnest(crates) w (name)
                         where not exists (select from documents d
                                            where d.registry_id
                                                  = (access.settings).id
                                              and d.name = w.name));
    end if;

    foreach crate in array crates loop
        status := access.status;
        body := access.body;

        if granted then
            select f.body, coalesce(f.restricted, false), f.modified
              into body, restricted, modified
              from find_document(access, crate) f;

            hidden := false;

            if body is null then
                status := 404;
                body := no_crate(crate);
                modified := null;
                hidden := is_hidden(access, crate);
            end if;
        end if;

        return next;
    end loop;
end
$$;

comment on function cargo.index_documents(text, cargo.caller, text[]) is
    'The index documents of crates, named as in the index path: lower case, '
    '"-" and "_" as they are; a row for each name, in any order.  private, '
    'limited, expires: as of index_config().  restricted: not everybody who '
    'may read here is given this.  hidden: there is such a crate, but not for '
    'this caller.  modified: seconds since 1970.  '
    '200 with the lines in publish order; 401 no good token for a private '
    'registry; 403 one without the scope read, a login without rights; '
    '404 no such registry or crate.';


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
as $$
begin
    select d.status, d.body, d.account, d.token_name, d.private, d.limited,
           d.expires, d.restricted, d.hidden, d.modified
      into status, body, account, token_name, private, limited, expires,
           restricted, hidden, modified
      from cargo.index_documents(registry, caller, array[crate]) d;
end
$$;

comment on function cargo.index_document(text, cargo.caller, text) is
    'The same for a single crate.  '
    '200 with the lines in publish order; 401 no good token for a private '
    'registry; 403 one without the scope read, a login without rights; '
    '404 no such registry or crate.';

-- Which crates somebody sees.  A crate that one does not see is not there: in
-- no list, no count, and every call answers as for a name nobody has taken.

create or replace function cargo_store.like_patterns(patterns text[])
returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array_agg(regexp_replace(regexp_replace(p, '[\\%_]', '\\\&', 'g'),
                                    '\*$', '%'))
      from unnest($1) p;
$$;

comment on function cargo_store.like_patterns(text[]) is
    'Canonical patterns, "name" or "prefix*", for LIKE.';


create or replace function cargo_store.name_matches(
    canonical_name text,
    patterns text[])
returns boolean
language sql immutable parallel safe
return patterns is null
       or coalesce(canonical_name like any (
                       cargo_store.like_patterns(patterns)), false);

comment on function cargo_store.name_matches(text, text[]) is
    'Is one of the canonical patterns, "name" or "prefix*", for this name?  '
    'null: all are for it.  Parsed when created, so that of many crates each '
    'costs a comparison.';


create or replace function cargo_store.owns(
    crate_id bigint,
    account_id integer)
returns boolean
language plpgsql stable
as $$
begin
    return exists (select from cargo_store.owners o
                    where o.crate_id = owns.crate_id
                      and o.account_id = owns.account_id)
           or exists (select from cargo_store.team_owners o
                             join cargo_store.team_members m
                               on m.team_id = o.team_id
                       where o.crate_id = owns.crate_id
                         and m.account_id = owns.account_id);
end
$$;

comment on function cargo_store.owns(bigint, integer) is
    'Is the account an owner of the crate, or in a team that is?';


create or replace function cargo_store.reads(
    crate_id bigint,
    account_id integer)
returns boolean
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return exists (select from crate_readers r
                    where r.crate_id = reads.crate_id
                      and r.account_id = reads.account_id)
           or exists (select from team_readers r
                             join team_members m on m.team_id = r.team_id
                       where r.crate_id = reads.crate_id
                         and m.account_id = reads.account_id);
end
$$;

comment on function cargo_store.reads(bigint, integer) is
    'Is the account a reader of a restricted crate, or in a team that is?';


create or replace function cargo_store.is_let_in(
    crate_id bigint,
    account_id integer)
returns boolean
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return owns(crate_id, account_id) or reads(crate_id, account_id);
end
$$;

comment on function cargo_store.is_let_in(bigint, integer) is
    'Does the account see the crate although it is restricted?  With plans of '
    'its own: who lists crates has them made for each question.';


create or replace function cargo_store.hidden_crates(
    access cargo_store.access)
returns setof bigint
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if access.role >= 'maintainer' then
        return;
    end if;

    return query
    select c.id
      from crates c
     where c.registry_id = (access.settings).id
       and c.restricted
       and not exists (select from owners o
                        where o.crate_id = c.id
                          and o.account_id = access.account_id)
       and not exists (select from team_owners o
                              join team_members m on m.team_id = o.team_id
                        where o.crate_id = c.id
                          and m.account_id = access.account_id)
       and not exists (select from crate_readers r
                        where r.crate_id = c.id
                          and r.account_id = access.account_id)
       and not exists (select from team_readers r
                              join team_members m on m.team_id = r.team_id
                        where r.crate_id = c.id
                          and m.account_id = access.account_id);
end
$$;

comment on function cargo_store.hidden_crates(cargo_store.access) is
    'The restricted crates that the caller does not see, when his token is not '
    'limited to some: what sees() says of each, asked once of all.';


create or replace function cargo_store.read_patterns(
    access cargo_store.access)
returns text[]
language sql immutable parallel safe
return case when access.endpoint_scopes <@ array['read']
            then access.crate_scopes end;

comment on function cargo_store.read_patterns(cargo_store.access) is
    'The only crates that the caller may read; null: no such limit.  One that '
    'publishes needs to read what it depends on.';


create or replace function cargo_store.is_narrow(
    access cargo_store.access,
    among bigint[])
returns boolean
language sql immutable parallel safe
return among is not null
       or coalesce('*' <> all (cargo_store.read_patterns(access)), false);

comment on function cargo_store.is_narrow(cargo_store.access, bigint[]) is
    'Is little left of the registry, by the ids or by the caller''s token, so '
    'that few of the most popular may be among it?';


create or replace function cargo_store.lowest_name(patterns text[])
returns text
language sql immutable parallel safe
return (select min(rtrim(p, '*') collate "C") from unnest(patterns) p);

comment on function cargo_store.lowest_name(text[]) is
    'No name that is before it matches one of the canonical patterns.';


create or replace function cargo_store.highest_name(patterns text[])
returns text
language sql immutable parallel safe
return (select max(replace(p, '*', '~') collate "C") from unnest(patterns) p);

comment on function cargo_store.highest_name(text[]) is
    'No name that is behind it matches one of them: "~" comes after all that '
    'is in names.';


create or replace function cargo_store.is_for(
    registry_id bigint,
    canonical_name text,
    access cargo_store.access)
returns boolean
language sql stable
return cargo_store.read_patterns(access) is null
       or (registry_id = (access.settings).id
           and canonical_name collate "C"
               >= cargo_store.lowest_name(cargo_store.read_patterns(access))
           and canonical_name collate "C"
               <= cargo_store.highest_name(cargo_store.read_patterns(access))
           and cargo_store.name_matches(canonical_name,
                                        cargo_store.read_patterns(access)));

comment on function cargo_store.is_for(bigint, text, cargo_store.access) is
    'Is the caller''s token good for reading the crate?  An index of names '
    'tells what lies between two of them.';


create or replace function cargo_store.sees(
    crate_id bigint,
    registry_id bigint,
    canonical_name text,
    restricted boolean,
    access cargo_store.access)
returns boolean
language sql stable
return cargo_store.is_for(registry_id, canonical_name, access)
       and (not restricted
            or coalesce(access.role >= 'maintainer', false)
            or (access.account_id is not null
                and cargo_store.is_let_in(crate_id, access.account_id)));

comment on function cargo_store.sees(bigint, bigint, text, boolean,
                                     cargo_store.access) is
    'Does the caller see the crate?  Parsed when created, as is_for() and the '
    'two below, so that the planner can inline it into a query of many crates; '
    'is_let_in() is only called for what not everybody sees.';


create or replace function cargo_store.sees(
    crate cargo_store.crates,
    access cargo_store.access)
returns boolean
language sql stable
return cargo_store.sees(crate.id, crate.registry_id, crate.canonical_name,
                        crate.restricted, access);

comment on function cargo_store.sees(cargo_store.crates, cargo_store.access) is
    'The same of its row.';


create or replace function cargo_store.sees(
    found cargo_store.crate_search,
    access cargo_store.access)
returns boolean
language sql stable
return cargo_store.sees(found.crate_id, found.registry_id,
                        found.canonical_name, found.restricted, access);

comment on function cargo_store.sees(cargo_store.crate_search,
                                     cargo_store.access) is
    'The same of the row that it is found by.';


create or replace function cargo_store.is_hidden(
    access cargo_store.access,
    crate text)
returns boolean
language sql stable
return exists (select from cargo_store.crates c
                where c.registry_id = (access.settings).id
                  and c.canonical_name = cargo_store.canonical_name(crate)
                  and not cargo_store.sees(c, access));

comment on function cargo_store.is_hidden(cargo_store.access, text) is
    'Is there such a crate, under any spelling, that the caller does not see?  '
    'For servers that remember answers: what one is not shown others may be.';

-- The audit log.  Every function that writes calls audit() once, whatever it
-- answers, so that the row stands or falls with what it tells of.

create or replace function cargo_store.audit(
    access cargo_store.access,
    registry text,
    caller cargo.caller,
    action text,
    crate text,
    version text,
    status integer,
    body text,
    before jsonb default null,
    after jsonb default null)
returns void
language plpgsql volatile
as $$
begin
    -- what a client sends may be long
    insert into audit (registry, account, token_id, token_name, address,
                       action, crate, version, status, detail, before, after)
    values (left($2, 200), ($1).account, ($1).token_id, ($1).token_name,
            ($3).address, $4, left($5, 200), left($6, 200), $7,
            case when $7 >= 400 then left($8, 1000) end, $9, $10);
end
$$;

comment on function cargo_store.audit(cargo_store.access, text, cargo.caller,
                                      text, text, text, integer, text, jsonb,
                                      jsonb) is
    'before, after: what was changed, and into what; null when refused.';


create or replace function cargo_store.audit_admin(
    registry text,
    action text,
    crate text,
    version text,
    status integer,
    body jsonb,
    before jsonb default null,
    after jsonb default null)
returns void
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    insert into audit (registry, account, action, crate, version, status,
                       detail, before, after)
    values ($1, 'cargoctl:' || session_user, $2, $3, $4, $5,
            $6->>'detail', $7, $8);
$$;

comment on function cargo_store.audit_admin(text, text, text, text, integer,
                                            jsonb, jsonb, jsonb) is
    'The same for cargoctl, which comes with a role of the database.';


create or replace function cargo.refuse_write(
    registry text,
    caller cargo.caller,
    action text,
    crate text,
    version text,
    refused_status integer,
    detail text,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := identify(registry, caller);
begin
    -- what was done is noted by who did it
    if refused_status < 400 then
        raise exception 'status % refuses nothing', refused_status
            using errcode = 'invalid_parameter_value';
    end if;

    status := refused_status;
    body := detail;
    account := access.account;
    token_name := access.token_name;

    perform audit(access, registry, caller, action, crate, version, status,
                  body);
end
$$;

comment on function cargo.refuse_write(text, cargo.caller, text, text, text,
                                       integer, text) is
    'Notes what the server itself has refused: a token or a name that is none, '
    'an archive that is not as it should be.  '
    '400 or more: the status and the sentence that it is given.';

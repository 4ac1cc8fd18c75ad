create or replace function cargo_store.set_following(
    access cargo_store.access,
    crate text,
    following boolean,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    select * into target from find_crate(access, crate);
    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    -- it is not deleted before it is followed
    perform from crates c
      where c.id = target.crate_id
        for key share;

    if not found then
        status := 404;
        body := no_crate(crate);
        return;
    end if;

    before := jsonb_build_object(
                  'following', exists (select from follows f
                                        where f.crate_id = target.crate_id
                                          and f.account_id
                                              = access.account_id));
    after := jsonb_build_object('following', following);

    if following then
        insert into follows (account_id, crate_id)
        values (access.account_id, target.crate_id)
            on conflict do nothing;
    else
        delete from follows f
         where f.account_id = access.account_id
           and f.crate_id = target.crate_id;
    end if;
end
$$;

comment on function cargo_store.set_following(cargo_store.access, text,
                                              boolean) is
    'before, after: for the audit log.  200; 404 no such crate.';


create or replace function cargo.follow_crate(
    registry text,
    caller cargo.caller,
    crate text,
    following boolean,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    access := open_for_write(registry, caller, null, '{read}');
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select f.status, f.body, f.before, f.after
          into status, body, before, after
          from set_following(access, crate, following) f;
    end if;

    if status = 200 then
        body := '{"ok":true}';
    end if;

    perform audit(access, registry, caller,
                  case when following then 'follow' else 'unfollow' end,
                  crate, null, status, body, before, after);
end
$$;

comment on function cargo.follow_crate(text, cargo.caller, text, boolean) is
    'To ask for what is already so is fine.  '
    '200; 403 no good token, wrong scope; 404 no such registry or crate.';

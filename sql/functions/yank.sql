create or replace function cargo.yank(
    registry text,
    token bytea,
    crate text,
    version text,
    yanked boolean,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    target record;
begin
    select * into caller from open_for_write(registry, token, 'publisher');

    if caller.status <> 200 then
        status := caller.status;
        body := caller.body;
        return;
    end if;

    select * into target
      from find_version((caller.settings).id, crate, version);

    if target.status <> 200 then
        status := target.status;
        body := target.body;
        return;
    end if;

    if caller.role < 'maintainer'
        and not exists (select from owners o
                         where o.crate_id = target.crate_id
                           and o.account_id = caller.account_id)
    then
        status := 403;
        body := 'must already be an owner to yank or unyank';
        return;
    end if;

    -- crate before version, as publish has it
    perform from crates c
      where c.id = target.crate_id
        for no key update;

    update versions v
       set yanked = yank.yanked, yank_message = null, updated_at = now()
     where v.id = target.version_id
       and v.yanked <> yank.yanked;

    if found then
        perform index_changed(target.crate_id,
                              case when yanked then 'yank' else 'unyank' end);
    end if;

    status := 200;
    body := '{"ok":true}';
end
$$;

comment on function cargo.yank(text, bytea, text, text, boolean) is
    'Yanks or unyanks; to ask for what is already so is fine.  '
    '200; 403 no good token, too low a role, not an owner; '
    '404 no such registry, crate or version.';

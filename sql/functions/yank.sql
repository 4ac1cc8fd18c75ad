create or replace function cargo_store.yank_change_refusal(change jsonb)
returns text
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    unknown text;
begin
    if jsonb_typeof(change) is distinct from 'object' then
        return 'the request must be a JSON object: {"version":{"yanked":true,'
               '"yank_message":"why"}}';
    end if;

    select k into unknown
      from jsonb_object_keys(change) k
     where k not in ('yanked', 'yank_message')
     limit 1;

    if found then
        return format('`%s` of a version cannot be changed, only `yanked` and '
                      '`yank_message`', left(unknown, 100));

    elsif jsonb_typeof(change->'yanked') <> 'boolean' then
        return '`yanked` must be true or false';

    elsif jsonb_typeof(change->'yank_message') not in ('string', 'null') then
        return '`yank_message` must be a string, or null for none';

    elsif length(change->>'yank_message') > 1000 then
        return '`yank_message` is too long: it may have 1000 characters';

    elsif change->>'yank_message' is not null
        and not (change->>'yanked')::boolean
    then
        return 'Cannot set yank message when unyanking';
    end if;

    return null;
end
$$;

comment on function cargo_store.yank_change_refusal(jsonb) is
    'What is wrong with {"yanked": boolean, "yank_message": text or null}, '
    'both of which may be absent; null: nothing.';


create or replace function cargo_store.yank_state(version cargo_store.versions)
returns jsonb
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select jsonb_build_object('yanked', ($1).yanked)
           || jsonb_strip_nulls(jsonb_build_object('yank_message',
                                                   ($1).yank_message));
$$;

comment on function cargo_store.yank_state(cargo_store.versions) is
    'What the audit log has of a yank.';


create or replace function cargo_store.store_yank(
    version_id bigint,
    change jsonb,
    out refusal text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    version    versions;
    now_yanked boolean;
    message    text;
begin
    select * into version from versions v where v.id = version_id;

    before := yank_state(version);
    now_yanked := coalesce((change->>'yanked')::boolean, version.yanked);

    if change ? 'yank_message' then
        message := nullif(change->>'yank_message', '');
    elsif now_yanked then
        message := version.yank_message;
    end if;

    if message is not null and not now_yanked then
        refusal := 'Cannot update yank message for a version that is not '
                   'yanked';
        return;
    end if;

    if (now_yanked, message) is distinct from (version.yanked,
                                               version.yank_message)
    then
        update versions v
           set yanked = now_yanked, yank_message = message,
               updated_at = now()
         where v.id = version_id;
    end if;

    -- the message is not in the index
    if now_yanked <> version.yanked then
        perform index_changed(version.crate_id,
                              case when now_yanked then 'yank'
                                   else 'unyank' end);
    end if;

    select yank_state(v) into after from versions v where v.id = version_id;
end
$$;

comment on function cargo_store.store_yank(bigint, jsonb) is
    'change: as yank_change_refusal() has passed it.  The crate is locked.  '
    'refusal (400): a message without a yank.';


create or replace function cargo_store.change_yank(
    access cargo_store.access,
    crate text,
    version text,
    change jsonb,
    out status integer,
    out body text,
    out version_id bigint,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    locked record;
    target record;
begin
    -- crate before version, as publish has it
    select * into locked from lock_crate(access, crate);
    status := locked.status;
    body := locked.body;

    if status = 200 then
        select * into target from find_version(access, crate, version);
        status := target.status;
        body := target.body;
        version_id := target.version_id;
    end if;

    if status <> 200 then
        return;
    end if;

    if access.role < 'maintainer'
        and not owns(target.crate_id, access.account_id)
    then
        status := 403;
        body := 'must already be an owner to yank or unyank';
        return;
    end if;

    body := yank_change_refusal(change);

    if body is null then
        select s.refusal, s.before, s.after
          into body, before, after
          from store_yank(version_id, change) s;
    end if;

    if body is not null then
        status := 400;
        before := null;
    end if;
end
$$;

comment on function cargo_store.change_yank(cargo_store.access, text, text,
                                            jsonb) is
    'Yanks, unyanks, and says why; to ask for what is already so is fine.  '
    'change: {"yanked": boolean, "yank_message": text or null}, either or '
    'both.  before, after: for the audit log.  '
    '200 with a null body; 400 not such a change, a message without a yank; '
    '403 neither owner nor maintainer; 404 no such crate or version.';


create or replace function cargo.yank(
    registry text,
    caller cargo.caller,
    crate text,
    version text,
    yanked boolean,
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
    access := open_for_write(registry, caller, 'publisher', '{yank}', crate);
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select c.status, c.body, c.before, c.after
          into status, body, before, after
          from change_yank(access, crate, version,
                           jsonb_build_object('yanked', yanked)) c;
    end if;

    if status = 200 then
        body := '{"ok":true}';
    end if;

    perform audit(access, registry, caller,
                  case when yanked then 'yank' else 'unyank' end,
                  crate, version, status, body, before, after);
end
$$;

comment on function cargo.yank(text, cargo.caller, text, text, boolean) is
    'Yanks or unyanks; to ask for what is already so is fine.  '
    '200; 403 no good token, wrong scope, too low a role, neither owner nor '
    'maintainer; 404 no such registry, crate or version.';


create or replace function cargo.change_version(
    registry text,
    caller cargo.caller,
    base_url text,
    crate text,
    version text,
    request jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access     cargo_store.access;
    version_id bigint;
    before     jsonb;
    after      jsonb;
begin
    access := open_for_write(registry, caller, 'publisher', '{yank}', crate);
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select c.status, c.body, c.version_id, c.before, c.after
          into status, body, version_id, before, after
          from change_yank(access, crate, version, request->'version') c;
    end if;

    if status = 200 then
        select json_build_object('version', o.object)
          into body
          from version_objects(array[version_id], base_url) o;
    end if;

    perform audit(access, registry, caller, 'change_version', crate, version,
                  status, body, before, after);
end
$$;

comment on function cargo.change_version(text, cargo.caller, text, text, text,
                                         jsonb) is
    'request: {"version": {"yanked": boolean, "yank_message": text}}, either '
    'or both.  base_url: of the server, without a slash at its end.  '
    '200 with the version; 400 another request, a message without a yank; 403 '
    'no good token, wrong scope, too low a role, neither owner nor '
    'maintainer; 404 no such registry, crate or version.';

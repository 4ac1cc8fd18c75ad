-- A crate that is hidden is nowhere: each function that reads is asked for it,
-- by everybody, in a public and in a private registry.

begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.json(call text) returns jsonb
language plpgsql
as $$
declare
    answer text := pg_temp.web(call);
begin
    return case when answer like '200 %' then substr(answer, 5)::jsonb end;
end
$$;

-- one who was given a token that may only read, and only some crates
create function pg_temp.narrow_token(login text, token text,
                                     variadic patterns text[])
returns void
language sql
as $$
    insert into cargo_store.tokens (account_id, name, hash, endpoint_scopes,
                                    crate_scopes)
    select a.id, token, pg_temp.hash(token), '{read}', patterns
      from cargo_store.accounts a
     where a.login = narrow_token.login;
$$;


-- The owner is one of alice and vera; named is a reader by name, and teamed and
-- team-owner have a team between them and the crate.

select pg_temp.must(cargo_admin.create_account(
           login, initcap(login), null, 'person', registry, 'reader')),
       pg_temp.must(cargo_admin.create_token(
           login, 'laptop', pg_temp.hash(login), null, null, null, null))
  from (values ('named', 'main'), ('teamed', 'main'), ('team-owner', 'main'))
       v(login, registry);
insert into cargo_store.members (registry_id, account_id, role)
select r.id, a.id, case a.login when 'mia' then 'maintainer'
                                when 'ada' then 'admin'
                                when 'bob' then 'publisher'
                                else 'reader' end::cargo_store.member_role
  from cargo_store.registries r, cargo_store.accounts a
 where r.name = 'vault'
   and a.login in ('named', 'teamed', 'team-owner', 'mia', 'ada', 'bob');

insert into cargo_store.teams (name) values ('readers'), ('owners');
insert into cargo_store.team_members (team_id, account_id)
select t.id, a.id
  from cargo_store.teams t, cargo_store.accounts a
 where (t.name, a.login) in (('readers', 'teamed'), ('owners', 'team-owner'));

select is(pg_temp.publish(login, name, '1.0.0', changes, name, registry),
          pg_temp.published(), format('%s in %s', name, registry))
  from (values ('main', 'alice'), ('vault', 'vera')) r(registry, login),
       (values ('base', '{}'),
               ('Hidden-Gem', jsonb_build_object(
                    'keywords', array['gem'], 'categories', array['rocks'],
                    'description', 'Shines', 'readme', 'Sparkling',
                    'deps', jsonb_build_array(pg_temp.dependency('base')))))
       c(name, changes);

update cargo_store.crates set restricted = true where name = 'Hidden-Gem';
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id
  from cargo_store.crates c, cargo_store.teams t
 where c.name = 'Hidden-Gem' and t.name = 'owners';
insert into cargo_store.team_readers (crate_id, team_id)
select c.id, t.id
  from cargo_store.crates c, cargo_store.teams t
 where c.name = 'Hidden-Gem' and t.name = 'readers';
insert into cargo_store.crate_readers (crate_id, account_id)
select c.id, a.id
  from cargo_store.crates c, cargo_store.accounts a
 where c.name = 'Hidden-Gem' and a.login = 'named';
insert into cargo_store.follows (crate_id, account_id)
select c.id, a.id
  from cargo_store.crates c, cargo_store.accounts a
 where c.name = 'Hidden-Gem';
select pg_temp.web(format('count_downloads(array[%s], array[7])', v.id))
  from cargo_store.versions v
       join cargo_store.crates c on c.id = v.crate_id
 where c.name = 'Hidden-Gem';

select pg_temp.narrow_token('alice', 'alice-gem', 'hidden*'),
       pg_temp.narrow_token('alice', 'alice-base', 'base', 'x*'),
       pg_temp.narrow_token('vera', 'vera-gem', 'HIDDEN-*'),
       pg_temp.narrow_token('vera', 'vera-base', 'base'),
       pg_temp.narrow_token('rita', 'rita-gem', 'hidden_gem'),
       pg_temp.narrow_token('mia', 'mia-base', 'bas*'),
       pg_temp.narrow_token('named', 'named-all', '*');


-- what of all that can be asked shows the crate, and counts it

create function pg_temp.shown(registry text, token text) returns text
language sql
as $$
    with arguments as (
        select format('%L, pg_temp.token(%L)', registry, token) as common,
               (select a.id::text from cargo_store.accounts a
                 where a.login = case registry when 'main' then 'alice'
                                               else 'vera' end) as owner)
    select concat_ws(', ',
        (select string_agg(name, ' ' order by position)
           from unnest(array['index_document', 'download', 'readme'],
                       array['%s(%s, ''hidden-gem'')',
                             '%s(%s, ''Hidden-Gem'', ''1.0.0'')',
                             '%s(%s, ''hidden_gem'', ''1.0.0'')'])
                with ordinality c(name, call, position)
          where pg_temp.web(format(call, name, common)) like '200%'),
        (select string_agg(part, ' ' order by part)
           from unnest(array['crates', 'versions', 'downloads', 'owners',
                             'reverse_dependencies', 'owner_user',
                             'owner_team']) part
          where pg_temp.web(format('show_crate(%s, '''', ''hidden-gem'', %L, '
                                   '''{}'')', common, part)) like '200%'),
        (select string_agg('v:' || part, ' ' order by part)
           from unnest(array['crates', 'dependencies', 'downloads', 'authors'])
                    part
          where pg_temp.web(format('show_version(%s, '''', ''hidden-gem'', '
                                   '''1.0.0'', %L, ''{}'')', common, part))
                like '200%'),
        (select string_agg(query, ' ' order by position)
           from unnest(array['{}', '{"sort":"downloads"}', '{"sort":"new"}',
                             '{"q":"hidden-gem"}', '{"q":"hidden"}',
                             '{"q":"den_g"}', '{"q":"hiden-gem"}',
                             '{"q":"gem"}', '{"q":"shines"}',
                             '{"q":"sparkling"}', '{"keyword":"gem"}',
                             '{"all_keywords":"gem"}', '{"category":"rocks"}',
                             '{"letter":"h"}', '{"ids[]":["hidden-gem"]}',
                             '{"include_yanked":"no"}', '{"user_id":"@"}',
                             '{"q":"gem","category":"rocks"}'])
                    with ordinality q(query, position),
                lateral (select pg_temp.json(format(
                                    'search_crates(%s, %L)', common,
                                    replace(query, '@', owner))) as answer) a
          where answer->>'crates' ~ 'Hidden'
            and (answer #>> '{meta,total}')::integer
                = jsonb_array_length(answer->'crates')),
        (select string_agg(m.key, ' ' order by m.key)
           from jsonb_each_text(pg_temp.json(format(
                    'show_registry(%s, '''', ''summary'', null, ''{}'')',
                    common))) m
          where m.value ~ 'Hidden'
             or (m.key, m.value) in (('num_crates', '2'),
                                     ('num_downloads', '7'))),
        (select 'dependents' || (answer #>> '{meta,total}')
           from pg_temp.json(format(
                    'show_crate(%s, '''', ''base'', ''reverse_dependencies'', '
                    '''{}'')', common)) answer
          where answer->>'versions' ~ 'Hidden'
             or answer #>> '{meta,total}' <> '0'),
        (select 'stats' || (answer->>'total_downloads')
           from pg_temp.json(format('show_registry(%s, '''', ''stats'', %L, '
                                    '''{}'')', common, owner)) answer
          where answer->>'total_downloads' <> '0'),
        (select 'updates'
           from pg_temp.json(format('show_me(%s, '''', ''updates'', null, '
                                    '''{}'')', common)) answer
          where answer->>'versions' ~ 'Hidden'),
        (select 'following'
           from pg_temp.json(format('search_crates(%s, ''{"following":"1"}'')',
                                    common)) answer
          where answer->>'crates' ~ 'Hidden'))
      from arguments;
$$;

create temporary table everything as
    select pg_temp.shown('main', 'alice') as text;

select is((select count(*) from regexp_split_to_table(text, ' ')),
          42::bigint, 'so many ways') from everything;

select is(pg_temp.shown(registry, token),
          case when sees
               then (select text from everything) else '' end,
          format('%s in %s sees %s', coalesce(token, 'nobody'), registry,
                 case when sees then 'it' else 'nothing' end))
  from (values
       ('main', null, false), ('main', 'no-such', false),
       ('main', 'vera', false), ('main', 'rita', false), ('main', 'bob', false),
       ('main', 'named', true), ('main', 'teamed', true),
       ('main', 'team-owner', true), ('main', 'mia', true),
       ('main', 'ada', true), ('main', 'alice-base', false),
       ('main', 'rita-gem', false), ('main', 'mia-base', false),
       ('main', 'named-all', true),
       ('vault', null, false), ('vault', 'no-such', false),
       ('vault', 'alice', false), ('vault', 'vito', false),
       ('vault', 'bob', false), ('vault', 'vera', true),
       ('vault', 'named', true), ('vault', 'teamed', true),
       ('vault', 'team-owner', true), ('vault', 'mia', true),
       ('vault', 'ada', true), ('vault', 'vera-base', false),
       ('vault', 'mia-base', false), ('vault', 'named-all', true))
       v(registry, token, sees);

-- who may read nothing but this has no other to count, nor to depend on it
select is(pg_temp.shown(registry, token),
          (select regexp_replace(replace(text, 'num_crates ', ''),
                                 'dependents1, ', '')
             from everything),
          token || ' sees it alone')
  from (values ('main', 'alice-gem'), ('vault', 'vera-gem'))
       v(registry, token);

-- whom nginx has authenticated, without a token
select matches(pg_temp.web(format('index_document(%L, pg_temp.login(%L), '
                                  '''hidden-gem'')', registry, login)),
               expected, format('%s logged in to %s', login, registry))
  from (values ('main', 'named', '^200 '), ('main', 'team-owner', '^200 '),
               ('main', 'rita', '^404 '), ('main', 'vera', '^404 '),
               ('vault', 'teamed', '^200 '), ('vault', 'vito', '^404 '),
               ('vault', 'alice', '^403 ')) v(registry, login, expected);


-- in the words of a name that nobody has taken

select is(pg_temp.web(replace(format(call, 'rita'), '@', 'hidden-gem')),
          replace(pg_temp.web(replace(format(call, 'rita'), '@', 'no-such')),
                  'no-such', 'hidden-gem'), call)
  from unnest(array[
           'index_document(''main'', pg_temp.token(%L), ''@'')',
           'download(''main'', pg_temp.token(%L), ''@'', ''1.0.0'')',
           'download(''main'', pg_temp.token(%L), ''@'', ''9.0.0'')',
           'readme(''main'', pg_temp.token(%L), ''@'', ''1.0.0'')',
           'show_version(''main'', pg_temp.token(%L), '''', ''@'', ''1.0.0'', '
           '''crates'', ''{}'')',
           'show_crate(''main'', pg_temp.token(%L), '''', ''@'', ''crates'', '
           '''{"include":"x"}'')',
           'show_crate(''main'', pg_temp.token(%L), '''', ''@'', ''versions'', '
           '''{"page":"x"}'')',
           'show_crate(''main'', pg_temp.token(%L), '''', ''@'', '
           '''following'', ''{}'')',
           'search_crates(''main'', pg_temp.token(%L), ''{"q":"@"}'')']) call;

select is(pg_temp.web(format('search_crates(''main'', pg_temp.token(%L), '
                             '''{"seek":"%s"}'')', token, id)),
          '400 invalid seek parameter', 'nobody reads on behind it')
  from cargo_store.crates c, unnest(array[null, 'rita']) token
 where c.name = 'Hidden-Gem';
select matches(pg_temp.web(format('search_crates(''main'', '
                                  'pg_temp.token(''named''), '
                                  '''{"seek":"%s"}'')', c.id)),
               '^200', 'but who sees it')
  from cargo_store.crates c
       join cargo_store.registries r on r.id = c.registry_id
 where c.name = 'Hidden-Gem' and r.name = 'main';
select is(pg_temp.publish('bob', 'hidden-gen', '1.0.0'), pg_temp.published(),
          'a name next to it');
select matches(pg_temp.web($$search_crates('main', pg_temp.token('rita'),
                                           '{"q": "hidden-gem"}')$$),
               '"hidden-gen"', 'is a mistake for who does not see it');
select is(pg_temp.json($$search_crates('main', pg_temp.token('named'),
                                       '{"q": "hidden-gem"}')$$)
              #>> '{meta,total}', '1', 'and none for who does');


-- caches

select results_eq(
    format('select status, private, restricted, hidden
              from cargo.index_document(''main'', pg_temp.token(%L), %L)
            union all
            select status, private, restricted, hidden
              from cargo.download(''main'', pg_temp.token(%1$L), %2$L,
                                  ''1.0.0'')', token, crate),
    format('values (%s, false, %L::boolean, %L::boolean), '
           '(%1$s, false, %2$L, %3$L)', status, restricted, hidden),
    format('%s for %s: restricted %s, hidden %s', crate, token, restricted,
           hidden))
  from (values ('named', 'hidden-gem', 200, true, false),
               ('named', 'base', 200, false, false),
               ('rita', 'hidden-gem', 404, false, true),
               ('rita', 'no-such', 404, false, false))
       v(token, crate, status, restricted, hidden);
select results_eq(
    format('select status, restricted, hidden
              from cargo.download(''main'', pg_temp.token(%L), ''hidden_gem'',
                                  ''9.0.0'')', token),
    format('values (404, %L::boolean, %L::boolean)', restricted, hidden),
    'no such version, for ' || token)
  from (values ('named', true, false), ('rita', false, true))
       v(token, restricted, hidden);


-- keywords and categories are counted of what everybody sees

create function pg_temp.tags() returns text
language sql
as $$
    select string_agg(tag, ' ' order by tag)
      from unnest(array['gem', 'rocks']) tag
     where pg_temp.web(format(
               'show_registry(''main'', pg_temp.token(''ada''), '''', %L, %L, '
               '''{}'')', case tag when 'gem' then 'keywords'
                                   else 'categories' end, tag)) like '200%';
$$;

create function pg_temp.restrict(crate text, hidden boolean) returns void
language sql
as $$
    update cargo_store.crates set restricted = hidden where name = crate;
$$;

select is(pg_temp.tags(), null, 'not even an admin is told of hidden ones');
select is(pg_temp.json($$show_crate('main', pg_temp.token('ada'), '',
                                    'hidden-gem', 'crates', '{}')$$)
              #>> '{keywords,0,crates_cnt}', '0',
          'where it is, it counts none');
select pg_temp.restrict('Hidden-Gem', false);
select is(pg_temp.tags(), 'gem rocks', 'shown');
select is(pg_temp.shown('main', 'rita'),
          (select replace(text, 'num_crates ', '') from everything),
          'everywhere, one more than before');
select pg_temp.restrict('Hidden-Gem', false);
select is(pg_temp.publish('alice', 'Hidden-Gem', '1.1.0',
                          '{"keywords": ["gem", "cut"]}'),
          pg_temp.published(), 'another version');
select is(pg_temp.tags(), 'gem', 'counts instead');
select pg_temp.restrict('Hidden-Gem', true);
select is(pg_temp.tags(), null, 'hidden again');
select is(pg_temp.publish('alice', 'Hidden-Gem', '1.2.0',
                          '{"keywords": ["gem"]}'),
          pg_temp.published(), 'another version');
select pg_temp.restrict('Hidden-Gem', false);
select is_empty('select registry_id, kind, name, crates
                   from cargo_store.tags where crates <> 0
                 except all
                 select m.registry_id, m.kind, m.name, count(*)
                   from cargo_store.crate_mentions m
                        join cargo_store.crates c on c.id = m.crate_id
                  where m.kind <> ''dependency'' and not c.restricted
                  group by 1, 2, 3',
                'the numbers are right');


-- two ways to say it: of one crate, and of all at once

select pg_temp.restrict('Hidden-Gem', true);
select is(array(select cargo_store.hidden_crates(a) order by 1),
          array(select c.id
                  from cargo_store.crates c
                 where c.registry_id = ((a).settings).id
                   and not cargo_store.sees(c, a)
                 order by c.id),
          format('hidden_crates() and sees() agree: %s in %s',
                 coalesce(login, 'nobody'), registry))
  from (select n.login, r.registry,
               cargo_store.open_for_read(r.registry, pg_temp.login(n.login)) a
          from unnest(array[null, 'alice', 'bob', 'mia', 'ada', 'named',
                            'teamed', 'team-owner', 'rita']) n(login),
               unnest(array['main', 'vault']) r(registry)) who
 where (a).status = 200;
select isnt_empty(
    $$select cargo_store.hidden_crates(cargo_store.open_for_read('main',
                                                     pg_temp.login('rita')))$$,
    'and there is something to hide');


select * from finish();
rollback;

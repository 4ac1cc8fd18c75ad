
#include "ngx_cargo_pg_private.h"


#define NGX_CARGO_PG_PORTS                                                    \
    "must have one port, or as many ports as hosts"


typedef struct {
    ngx_str_t                   host;       /* comma-separated, as libpq */
    ngx_str_t                   hostaddr;
    ngx_str_t                   port;
} ngx_cargo_pg_hosts_t;


static const char *ngx_cargo_pg_option(PQconninfoOption *options,
    const char *keyword);
static char *ngx_cargo_pg_servers(ngx_conf_t *cf,
    ngx_cargo_pg_servers_t *servers, PQconninfoOption *options,
    ngx_cargo_pg_hosts_t *list);
static ngx_uint_t ngx_cargo_pg_takes_writes(PQconninfoOption *options);
static const char **ngx_cargo_pg_params(ngx_conf_t *cf,
    ngx_cargo_pg_servers_t *servers, PQconninfoOption *options,
    ngx_cargo_pg_hosts_t *list, ngx_uint_t server);
static char *ngx_cargo_pg_param(ngx_conf_t *cf, PQconninfoOption *option,
    ngx_cargo_pg_hosts_t *list, ngx_uint_t server);
static ngx_uint_t ngx_cargo_pg_count_servers(ngx_str_t *list);
static ngx_str_t ngx_cargo_pg_item(ngx_str_t *list, ngx_uint_t i);
static void ngx_cargo_pg_set_list(ngx_str_t *list, const char *text);
static char *ngx_cargo_pg_resolve(ngx_conf_t *cf, const char *hosts,
    const char *ports, ngx_cargo_pg_hosts_t *list);
static char *ngx_cargo_pg_add_host(ngx_conf_t *cf, ngx_str_t *host,
    ngx_str_t *port, ngx_cargo_pg_hosts_t *list);
static char *ngx_cargo_pg_append(ngx_conf_t *cf, ngx_str_t *list,
    ngx_str_t *item, ngx_uint_t first);
static ngx_str_t ngx_cargo_pg_next_item(const char **list);
static char *ngx_cargo_pg_dup(ngx_conf_t *cf, ngx_str_t *text);


/* not the administrator's: what the module needs of libpq */

static const char  *ngx_cargo_pg_defaults[][2] = {
    { "fallback_application_name", "ngx_cargo" },
    { "client_encoding", "UTF8" },

    /* asking for Kerberos blocks, and "prefer" is libpq's default */
    { "gssencmode", "disable" },

    { "target_session_attrs", "read-write" }
};

/* the last one, for several servers alone */
#define NGX_CARGO_PG_WRITES    3

#define NGX_CARGO_PG_NDEFAULTS                                                \
    (sizeof(ngx_cargo_pg_defaults) / sizeof(ngx_cargo_pg_defaults[0]))


char *
ngx_cargo_pg_parse_conninfo(ngx_conf_t *cf, ngx_cargo_pg_servers_t *servers,
    ngx_str_t *conninfo)
{
    char                  *rv, *error;
    PQconninfoOption      *options;
    ngx_cargo_pg_hosts_t   list;

    options = PQconninfoParse((char *) conninfo->data, &error);

    if (options == NULL) {
        /* libpq's own words may quote a part of the password */
        PQfreemem(error);
        return "is not a connection string as libpq reads it "
               "(\"host=/run/postgresql dbname=cargo user=cargo_web\" or "
               "\"postgresql://cargo_web@db.example/cargo\")";
    }

    ngx_memzero(&list, sizeof(ngx_cargo_pg_hosts_t));
    rv = NGX_CONF_OK;

    if (ngx_cargo_pg_option(options, "host")
        && ngx_cargo_pg_option(options, "hostaddr") == NULL)
    {
        rv = ngx_cargo_pg_resolve(cf, ngx_cargo_pg_option(options, "host"),
                                  ngx_cargo_pg_option(options, "port"),
                                  &list);

    } else {
        ngx_cargo_pg_set_list(&list.host,
                              ngx_cargo_pg_option(options, "host"));
        ngx_cargo_pg_set_list(&list.hostaddr,
                              ngx_cargo_pg_option(options, "hostaddr"));
        ngx_cargo_pg_set_list(&list.port,
                              ngx_cargo_pg_option(options, "port"));
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_cargo_pg_servers(cf, servers, options, &list);
    }

    PQconninfoFree(options);

    return rv;
}


static const char *
ngx_cargo_pg_option(PQconninfoOption *options, const char *keyword)
{
    for ( /* void */ ; options->keyword; options++) {
        if (ngx_strcmp(options->keyword, keyword) == 0) {
            return options->val;
        }
    }

    return NULL;
}


static char *
ngx_cargo_pg_servers(ngx_conf_t *cf, ngx_cargo_pg_servers_t *servers,
    PQconninfoOption *options, ngx_cargo_pg_hosts_t *list)
{
    size_t             n;
    ngx_uint_t         i, hosts, addrs, ports;
    PQconninfoOption  *o;

    hosts = ngx_cargo_pg_count_servers(&list->host);
    addrs = ngx_cargo_pg_count_servers(&list->hostaddr);
    ports = ngx_cargo_pg_count_servers(&list->port);

    servers->n = addrs ? addrs : ngx_max(hosts, 1);

    if (hosts && hosts != servers->n) {
        return "must have as many hosts as addresses of hosts";
    }

    if (ports > 1 && ports != servers->n) {
        return NGX_CARGO_PG_PORTS;
    }

    if (servers->n > 1 && !ngx_cargo_pg_takes_writes(options)) {
        return "names several hosts, and one that takes writes is looked for: "
               "target_session_attrs must be read-write or primary, or left "
               "out";
    }

    n = NGX_CARGO_PG_NDEFAULTS + 1;

    for (o = options; o->keyword; o++) {
        n++;
    }

    servers->keywords = ngx_pcalloc(cf->pool, n * sizeof(char *));
    servers->values = ngx_pcalloc(cf->pool, servers->n * sizeof(char **));

    if (servers->keywords == NULL || servers->values == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < servers->n; i++) {
        servers->values[i] = ngx_cargo_pg_params(cf, servers, options, list,
                                                 i);
        if (servers->values[i] == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_cargo_pg_takes_writes(PQconninfoOption *options)
{
    const char  *attrs;

    attrs = ngx_cargo_pg_option(options, "target_session_attrs");

    return attrs == NULL
           || ngx_strcmp(attrs, "read-write") == 0
           || ngx_strcmp(attrs, "primary") == 0;
}


/* the administrator's values come after ours, and win */

static const char **
ngx_cargo_pg_params(ngx_conf_t *cf, ngx_cargo_pg_servers_t *servers,
    PQconninfoOption *options, ngx_cargo_pg_hosts_t *list, ngx_uint_t server)
{
    size_t              n, i;
    ngx_str_t           keyword;
    const char        **values;
    PQconninfoOption   *o;

    n = NGX_CARGO_PG_NDEFAULTS + 1;

    for (o = options; o->keyword; o++) {
        n++;
    }

    values = ngx_pcalloc(cf->pool, n * sizeof(char *));
    if (values == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_CARGO_PG_NDEFAULTS; i++) {
        servers->keywords[i] = ngx_cargo_pg_defaults[i][0];
        values[i] = ngx_cargo_pg_defaults[i][1];
    }

    if (servers->n == 1) {
        /* the only one there is, whatever it takes */
        values[NGX_CARGO_PG_WRITES] = "any";
    }

    for (o = options; o->keyword; o++, i++) {
        keyword.data = (u_char *) o->keyword;
        keyword.len = ngx_strlen(o->keyword);

        servers->keywords[i] = ngx_cargo_pg_dup(cf, &keyword);
        values[i] = ngx_cargo_pg_param(cf, o, list, server);

        if (servers->keywords[i] == NULL || values[i] == NULL) {
            return NULL;
        }
    }

    return values;
}


/* what is not set is empty, which libpq takes for not set */

static char *
ngx_cargo_pg_param(ngx_conf_t *cf, PQconninfoOption *option,
    ngx_cargo_pg_hosts_t *list, ngx_uint_t server)
{
    ngx_str_t  value;

    if (ngx_strcmp(option->keyword, "host") == 0) {
        value = ngx_cargo_pg_item(&list->host, server);

    } else if (ngx_strcmp(option->keyword, "hostaddr") == 0) {
        value = ngx_cargo_pg_item(&list->hostaddr, server);

    } else if (ngx_strcmp(option->keyword, "port") == 0) {
        value = ngx_cargo_pg_item(&list->port, server);

    } else {
        ngx_cargo_pg_set_list(&value, option->val);
    }

    return ngx_cargo_pg_dup(cf, &value);
}


/*
 * "a,b" with "5432,5433" becomes one entry for each address of a and b; a
 * socket directory has an empty address.
 */

static char *
ngx_cargo_pg_resolve(ngx_conf_t *cf, const char *hosts, const char *ports,
    ngx_cargo_pg_hosts_t *list)
{
    char        *rv;
    ngx_str_t    host, port;
    ngx_uint_t   nports;

    nports = 0;
    ngx_str_null(&port);

    while (hosts) {
        host = ngx_cargo_pg_next_item(&hosts);

        /* one port serves all hosts */

        if (ports) {
            port = ngx_cargo_pg_next_item(&ports);
            nports++;

            if (port.len && ngx_atoi(port.data, port.len) == NGX_ERROR) {
                return "has a port that is not a number";
            }

        } else if (nports > 1) {
            return NGX_CARGO_PG_PORTS;
        }

        rv = ngx_cargo_pg_add_host(cf, &host, &port, list);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ports ? NGX_CARGO_PG_PORTS : NGX_CONF_OK;
}


static char *
ngx_cargo_pg_add_host(ngx_conf_t *cf, ngx_str_t *host, ngx_str_t *port,
    ngx_cargo_pg_hosts_t *list)
{
    ngx_url_t   u;
    ngx_str_t   addr;
    ngx_uint_t  i, n, first;
    u_char      text[NGX_SOCKADDR_STRLEN];

    ngx_memzero(&u, sizeof(ngx_url_t));
    n = 1;

    if (host->len && host->data[0] != '/' && host->data[0] != '@') {
        u.host = *host;
        u.url = *host;

        if (ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "cargo_postgres: host \"%V\" cannot be "
                               "resolved: %s", host,
                               u.err ? u.err : "unknown error");
            return NGX_CONF_ERROR;
        }

        n = u.naddrs;
    }

    for (i = 0; i < n; i++) {
        ngx_str_set(&addr, "");

        if (u.naddrs) {
            addr.data = text;
            addr.len = ngx_sock_ntop(u.addrs[i].sockaddr, u.addrs[i].socklen,
                                     text, NGX_SOCKADDR_STRLEN, 0);
        }

        first = (list->host.data == NULL);

        if (ngx_cargo_pg_append(cf, &list->host, host, first) != NGX_CONF_OK
            || ngx_cargo_pg_append(cf, &list->hostaddr, &addr, first)
               != NGX_CONF_OK
            || ngx_cargo_pg_append(cf, &list->port, port, first)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_cargo_pg_append(ngx_conf_t *cf, ngx_str_t *list, ngx_str_t *item,
    ngx_uint_t first)
{
    u_char  *p, *text;

    text = ngx_pnalloc(cf->pool, list->len + item->len + 2);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    p = text;

    if (!first) {
        p = ngx_cpymem(p, list->data, list->len);
        *p++ = ',';
    }

    if (item->len) {
        p = ngx_cpymem(p, item->data, item->len);
    }

    *p = '\0';

    list->data = text;
    list->len = p - text;

    return NGX_CONF_OK;
}


static ngx_str_t
ngx_cargo_pg_next_item(const char **list)
{
    ngx_str_t    item;
    const char  *comma;

    item.data = (u_char *) *list;
    comma = ngx_strchr(*list, ',');

    if (comma) {
        item.len = comma - *list;
        *list = comma + 1;

    } else {
        item.len = ngx_strlen(*list);
        *list = NULL;
    }

    return item;
}


/* 0: not set */

static ngx_uint_t
ngx_cargo_pg_count_servers(ngx_str_t *list)
{
    size_t      i;
    ngx_uint_t  n;

    n = list->len ? 1 : 0;

    for (i = 0; i < list->len; i++) {
        n += (list->data[i] == ',');
    }

    return n;
}


/* one item is for all */

static ngx_str_t
ngx_cargo_pg_item(ngx_str_t *list, ngx_uint_t i)
{
    ngx_str_t    item;
    const char  *next;

    if (ngx_cargo_pg_count_servers(list) < 2) {
        return *list;
    }

    next = (const char *) list->data;

    do {
        item = ngx_cargo_pg_next_item(&next);
    } while (next && i--);

    return item;
}


static void
ngx_cargo_pg_set_list(ngx_str_t *list, const char *text)
{
    list->data = (u_char *) text;
    list->len = text ? ngx_strlen(text) : 0;
}


static char *
ngx_cargo_pg_dup(ngx_conf_t *cf, ngx_str_t *text)
{
    u_char  *copy;

    copy = ngx_pnalloc(cf->pool, text->len + 1);
    if (copy == NULL) {
        return NULL;
    }

    *ngx_cpymem(copy, text->data, text->len) = '\0';

    return (char *) copy;
}

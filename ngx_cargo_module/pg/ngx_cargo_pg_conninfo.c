
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
static char *ngx_cargo_pg_params(ngx_conf_t *cf, ngx_cargo_pg_conf_t *pcf,
    PQconninfoOption *options, ngx_cargo_pg_hosts_t *list);
static const char *ngx_cargo_pg_resolved(PQconninfoOption *option,
    ngx_cargo_pg_hosts_t *list);
static char *ngx_cargo_pg_resolve(ngx_conf_t *cf, const char *hosts,
    const char *ports, ngx_cargo_pg_hosts_t *list);
static char *ngx_cargo_pg_add_host(ngx_conf_t *cf, ngx_str_t *host,
    ngx_str_t *port, ngx_cargo_pg_hosts_t *list);
static char *ngx_cargo_pg_append(ngx_conf_t *cf, ngx_str_t *list,
    ngx_str_t *item, ngx_uint_t first);
static ngx_str_t ngx_cargo_pg_next_item(const char **list);
static char *ngx_cargo_pg_dup(ngx_conf_t *cf, const char *text);


/* not the administrator's: what the module needs of libpq */

static const char  *ngx_cargo_pg_defaults[][2] = {
    { "fallback_application_name", "ngx_cargo" },
    { "client_encoding", "UTF8" },

    /* asking for Kerberos blocks, and "prefer" is libpq's default */
    { "gssencmode", "disable" }
};

#define NGX_CARGO_PG_NDEFAULTS                                                \
    (sizeof(ngx_cargo_pg_defaults) / sizeof(ngx_cargo_pg_defaults[0]))


char *
ngx_cargo_pg_parse_conninfo(ngx_conf_t *cf, ngx_cargo_pg_conf_t *pcf,
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
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_cargo_pg_params(cf, pcf, options, &list);
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


/* the administrator's values come after ours, and win */

static char *
ngx_cargo_pg_params(ngx_conf_t *cf, ngx_cargo_pg_conf_t *pcf,
    PQconninfoOption *options, ngx_cargo_pg_hosts_t *list)
{
    size_t             n, i, j;
    const char        *value;
    PQconninfoOption  *o;

    n = NGX_CARGO_PG_NDEFAULTS + 1;

    for (o = options; o->keyword; o++) {
        n++;
    }

    pcf->keywords = ngx_pcalloc(cf->pool, n * sizeof(char *));
    pcf->values = ngx_pcalloc(cf->pool, n * sizeof(char *));

    if (pcf->keywords == NULL || pcf->values == NULL) {
        return NGX_CONF_ERROR;
    }

    i = 0;

    for (j = 0; j < NGX_CARGO_PG_NDEFAULTS; j++, i++) {
        pcf->keywords[i] = ngx_cargo_pg_defaults[j][0];
        pcf->values[i] = ngx_cargo_pg_defaults[j][1];
    }

    for (o = options; o->keyword; o++) {
        value = ngx_cargo_pg_resolved(o, list);

        if (value == NULL) {
            continue;
        }

        pcf->keywords[i] = ngx_cargo_pg_dup(cf, o->keyword);
        pcf->values[i] = ngx_cargo_pg_dup(cf, value);

        if (pcf->keywords[i] == NULL || pcf->values[i] == NULL) {
            return NGX_CONF_ERROR;
        }

        i++;
    }

    return NGX_CONF_OK;
}


static const char *
ngx_cargo_pg_resolved(PQconninfoOption *option, ngx_cargo_pg_hosts_t *list)
{
    if (list->host.data == NULL) {
        return option->val;
    }

    if (ngx_strcmp(option->keyword, "host") == 0) {
        return (const char *) list->host.data;
    }

    if (ngx_strcmp(option->keyword, "hostaddr") == 0) {
        return (const char *) list->hostaddr.data;
    }

    if (ngx_strcmp(option->keyword, "port") == 0 && option->val) {
        return (const char *) list->port.data;
    }

    return option->val;
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
        ngx_str_null(&addr);

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

    p = ngx_cpymem(text, list->data, list->len);

    if (!first) {
        *p++ = ',';
    }

    p = ngx_cpymem(p, item->data, item->len);
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


static char *
ngx_cargo_pg_dup(ngx_conf_t *cf, const char *text)
{
    size_t   len;
    u_char  *copy;

    len = ngx_strlen(text) + 1;

    copy = ngx_pnalloc(cf->pool, len);
    if (copy == NULL) {
        return NULL;
    }

    ngx_memcpy(copy, text, len);

    return (char *) copy;
}


/*
 * The configuration: what the directives set, with defaults and inheritance.
 * ngx_http_cargo_module.c names the directives, this makes sense of them.
 *
 * Memory: all of it lives in the configuration's pool.
 *
 * Always true: what a location with one of our handlers needs is checked when
 * the configuration is read, so that "nginx -t" says what is missing.
 */


#ifndef NGX_HTTP_CARGO_CONF_H
#define NGX_HTTP_CARGO_CONF_H


#include "ngx_http_cargo.h"


char *ngx_http_cargo_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_cargo_postgres_listen(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_cargo_postgres_connections(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_cargo_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_cargo_index_alias(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_cargo_blobs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_cargo_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* cargo_index and those like it: which one is cmd->offset */
char *ngx_http_cargo_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

char *ngx_http_cargo_user_from(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* cargo_user, cargo_user_from and cargo_token */
void ngx_http_cargo_merge_caller(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev);

/* refuses a login that every client could claim */
char *ngx_http_cargo_check_caller(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf);

void *ngx_http_cargo_create_main_conf(ngx_conf_t *cf);
char *ngx_http_cargo_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_cargo_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_cargo_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);


#endif /* NGX_HTTP_CARGO_CONF_H */

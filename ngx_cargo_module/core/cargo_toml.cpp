
#include "cargo_toml.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <sstream>

/*
 * toml++ 3.3 asserts what "[=" in a text makes untrue, and with NDEBUG tells
 * the compiler that it can't be: neither will do for text from the network.
 */
#undef NDEBUG

#define TOML_ASSERT(condition)                                                \
    do {                                                                      \
        if (!(condition)) {                                                   \
            cargo_toml_throw();                                               \
        }                                                                     \
    } while (0)

#define TOML_HEADER_ONLY        1
#define TOML_EXCEPTIONS         0
#define TOML_ENABLE_FORMATTERS  0
#define TOML_FLOAT_CHARCONV     1
#define TOML_MAX_NESTED_VALUES  CARGO_TOML_NESTING

struct cargo_toml_broken { };

[[noreturn]] static void cargo_toml_throw();

#include <toml++/toml.h>


/* gives up a value that was begun, also when an exception passes */

struct cargo_toml_decref {

    void
    operator()(json_t *value) const
    {
        json_decref(value);
    }
};

typedef std::unique_ptr<json_t, cargo_toml_decref>  cargo_toml_value_t;


static cargo_rc_t cargo_toml_parse_tree(cargo_str_t text, json_t **value,
    cargo_error_t *error);
static cargo_rc_t cargo_toml_node(const toml::node &node, json_t **value,
    cargo_error_t *error);
static cargo_rc_t cargo_toml_table(const toml::table &table, json_t **value,
    cargo_error_t *error);
static cargo_rc_t cargo_toml_array(const toml::array &array, json_t **value,
    cargo_error_t *error);
static cargo_rc_t cargo_toml_string(const std::string &string, json_t **value,
    cargo_error_t *error);
static json_t *cargo_toml_number(double number);
template <typename T> static json_t *cargo_toml_date(const T &date);
static cargo_rc_t cargo_toml_owned(json_t *json, json_t **value);


/* built without exceptions in its parser, toml++ still throws bad_alloc */

cargo_rc_t
cargo_toml_parse(cargo_str_t text, json_t **value, cargo_error_t *error)
{
    cargo_rc_t  rc;

    *value = NULL;

    rc = cargo_toml_check_dots(text, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    try {
        return cargo_toml_parse_tree(text, value, error);

    } catch (const cargo_toml_broken &) {
        return cargo_refuse(error, 400, "TOML parse error: a table header, "
                            "key or value begins with a character that it "
                            "can't begin with");

    } catch (...) {
        return CARGO_NO_MEMORY;
    }
}


static cargo_rc_t
cargo_toml_parse_tree(cargo_str_t text, json_t **value, cargo_error_t *error)
{
    std::string_view    view(reinterpret_cast<const char *>(text.data),
                             text.len);
    toml::parse_result  result = toml::parse(view);

    if (!result) {
        const std::string_view       what = result.error().description();
        const toml::source_position  at = result.error().source().begin;

        return cargo_refuse(error, 400,
                            "TOML parse error at line %u, column %u: %.*s",
                            static_cast<unsigned>(at.line),
                            static_cast<unsigned>(at.column),
                            static_cast<int>(what.size()), what.data());
    }

    return cargo_toml_table(result.table(), value, error);
}


static cargo_rc_t
cargo_toml_node(const toml::node &node, json_t **value, cargo_error_t *error)
{
    switch (node.type()) {

    case toml::node_type::table:
        return cargo_toml_table(*node.as_table(), value, error);

    case toml::node_type::array:
        return cargo_toml_array(*node.as_array(), value, error);

    case toml::node_type::string:
        return cargo_toml_string(node.as_string()->get(), value, error);

    case toml::node_type::integer:
        return cargo_toml_owned(json_integer(node.as_integer()->get()), value);

    case toml::node_type::floating_point:
        return cargo_toml_owned(
                       cargo_toml_number(node.as_floating_point()->get()),
                       value);

    case toml::node_type::boolean:
        return cargo_toml_owned(json_boolean(node.as_boolean()->get()), value);

    case toml::node_type::date:
        return cargo_toml_owned(cargo_toml_date(node.as_date()->get()), value);

    case toml::node_type::time:
        return cargo_toml_owned(cargo_toml_date(node.as_time()->get()), value);

    case toml::node_type::date_time:
        return cargo_toml_owned(cargo_toml_date(node.as_date_time()->get()),
                                value);

    default:
        return cargo_toml_owned(json_null(), value);
    }
}


static cargo_rc_t
cargo_toml_table(const toml::table &table, json_t **value,
    cargo_error_t *error)
{
    json_t              *member;
    cargo_rc_t           rc;
    cargo_toml_value_t   object(json_object());

    for (const auto &[key, node] : table) {
        const std::string_view  name = key.str();

        if (std::memchr(name.data(), 0, name.size())) {
            return cargo_refuse(error, 400, "a key contains a NUL character; "
                                "remove it");
        }

        rc = cargo_toml_node(node, &member, error);
        if (rc != CARGO_OK) {
            return rc;
        }

        /* the string behind a toml::key ends in NUL */

        if (json_object_set_new(object.get(), name.data(), member) != 0) {
            return CARGO_NO_MEMORY;
        }
    }

    return cargo_toml_owned(object.release(), value);
}


static cargo_rc_t
cargo_toml_array(const toml::array &array, json_t **value,
    cargo_error_t *error)
{
    json_t              *element;
    cargo_rc_t           rc;
    cargo_toml_value_t   list(json_array());

    for (const toml::node &node : array) {

        rc = cargo_toml_node(node, &element, error);
        if (rc != CARGO_OK) {
            return rc;
        }

        if (json_array_append_new(list.get(), element) != 0) {
            return CARGO_NO_MEMORY;
        }
    }

    return cargo_toml_owned(list.release(), value);
}


/* a NUL that TOML would allow fits neither jansson's API nor PostgreSQL */

static cargo_rc_t
cargo_toml_string(const std::string &string, json_t **value,
    cargo_error_t *error)
{
    if (std::memchr(string.data(), 0, string.size())) {
        return cargo_refuse(error, 400, "a string contains a NUL character; "
                            "remove it");
    }

    return cargo_toml_owned(json_stringn_nocheck(string.data(), string.size()),
                            value);
}


static json_t *
cargo_toml_number(double number)
{
    return std::isfinite(number) ? json_real(number) : json_null();
}


template <typename T>
static json_t *
cargo_toml_date(const T &date)
{
    std::ostringstream  text;

    /* or a failed allocation would cut the text short and say nothing */

    text.exceptions(std::ios::badbit);
    text << date;

    return json_string(text.str().c_str());
}


static cargo_rc_t
cargo_toml_owned(json_t *json, json_t **value)
{
    *value = json;

    return json ? CARGO_OK : CARGO_NO_MEMORY;
}


static void
cargo_toml_throw()
{
    throw cargo_toml_broken();
}

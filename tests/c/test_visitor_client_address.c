/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "visitor/client_address.h"

static const struct {
    const char *why;
    hr_span forwarded_for;
    unsigned proxies;
    const char *want; /* NULL: absent */
} CASES[] = {
    {"no proxy: the header is not looked at", HR_SPAN("6.6.6.6"), 0,
     "192.0.2.9"},
    {"one proxy", HR_SPAN("203.0.113.7"), 1, "203.0.113.7"},
    {"one proxy, spoofed entries left of it", HR_SPAN("6.6.6.6, 203.0.113.7"),
     1, "203.0.113.7"},
    {"two proxies", HR_SPAN("6.6.6.6, 203.0.113.7 ,10.0.0.1"), 2,
     "203.0.113.7"},
    {"fewer entries than proxies", HR_SPAN("203.0.113.7"), 2, NULL},
    {"no header", HR_SPAN(""), 1, NULL},
    {"with a port", HR_SPAN("203.0.113.7:4711"), 1, "203.0.113.7"},
    {"IPv6", HR_SPAN("2001:db8::1"), 1, "2001:db8::1"},
    {"IPv6 in brackets with a port", HR_SPAN("[2001:db8::1]:80"), 1,
     "2001:db8::1"},
    {"IPv6 with a zone", HR_SPAN("fe80::1%eth0"), 1, "fe80::1"},
    {"a zone that is a script", HR_SPAN("fe80::1%<script>"), 1, "fe80::1"},
    {"no address", HR_SPAN("unknown"), 1, NULL},
    {"an unclosed bracket", HR_SPAN("[2001:db8::1"), 1, NULL},
    {"a NUL inside", HR_SPAN("1.2.3.4\0"), 1, NULL},
    {"only commas", HR_SPAN(",,,"), 2, NULL},
    {"too long", HR_SPAN("11111111111111111111111111111111111111111111111111"),
     1, NULL},
};

static const struct {
    const char *address;
    const char *want; /* NULL: absent */
} PREFIXES[] = {
    {"192.0.2.77", "192.0.2.0/24"},
    {"::ffff:192.0.2.77", "192.0.2.0/24"},
    {"2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"},
    {"fe80::1%eth0", "fe80::/48"},
    {"", NULL},
    {"host", NULL},
};

static int
is(hr_span got, const char *want)
{
    return want == NULL ? got.ptr == NULL
                        : hr_span_equal(got, (hr_span){want, strlen(want)});
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        hr_span header = guarded(CASES[i].forwarded_for);
        ok(is(hr_visitor_client_address(HR_SPAN("192.0.2.9"), &header, 1,
                                        CASES[i].proxies),
              CASES[i].want),
           "address: %s", CASES[i].why);
    }
    ok(hr_visitor_client_address(HR_NO_SPAN, NULL, 0, 1).ptr == NULL,
       "address: nothing at all");
    const hr_span lines[] = {{"6.6.6.6", 7}, {"7.7.7.7, 203.0.113.7", 20}};
    ok(is(hr_visitor_client_address(HR_NO_SPAN, lines, 2, 1), "203.0.113.7"),
       "address: a header of the proxy's own counts");
    ok(is(hr_visitor_client_address(HR_NO_SPAN, lines, 2, 3), "6.6.6.6"),
       "address: counting goes on in the header before");
    ok(is(hr_visitor_client_address(HR_NO_SPAN, lines, 2, 4), NULL),
       "address: fewer entries in all of them");
    for (size_t i = 0; i < sizeof(PREFIXES) / sizeof(PREFIXES[0]); i++) {
        char out[HR_VISITOR_CLIENT_ADDRESS_MAX + 4];
        hr_span text = {PREFIXES[i].address, strlen(PREFIXES[i].address)};
        ok(is(hr_visitor_client_address_prefix(guarded(text), out),
              PREFIXES[i].want),
           "prefix: %s", PREFIXES[i].address);
    }
    return done_testing();
}

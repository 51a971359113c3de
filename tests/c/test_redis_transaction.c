/* SPDX-License-Identifier: MIT */
/* A batch as commands: taken apart again, word by word. */
#include "events.h"

#include "base/alloc.h"
#include "redis/transaction.h"

#define WORDS_MAX 200

typedef struct command {
    size_t count;
    hr_span words[WORDS_MAX];
} command;

static size_t
take_number(hr_span *rest, char mark)
{
    size_t number = 0;
    if (rest->len == 0 || rest->ptr[0] != mark) {
        return SIZE_MAX;
    }
    size_t at = 1;
    for (; at < rest->len && rest->ptr[at] != '\r'; at++) {
        number = number * 10 + (size_t)(rest->ptr[at] - '0');
    }
    *rest = hr_span_from(*rest, at + 2);
    return number;
}

/* The next command of `rest`; false at its end. */
static int
next_command(hr_span *rest, command *found)
{
    if (rest->len == 0) {
        return 0;
    }
    found->count = take_number(rest, '*');
    if (found->count > WORDS_MAX) {
        return 0;
    }
    for (size_t i = 0; i < found->count; i++) {
        size_t len = take_number(rest, '$');
        if (len > rest->len) {
            return 0;
        }
        found->words[i] = (hr_span){rest->ptr, len};
        *rest = hr_span_from(*rest, len + 2);
    }
    return 1;
}

static int
is(const command *found, size_t at, const char *word)
{
    return at < found->count &&
           hr_span_equal(found->words[at], (hr_span){word, strlen(word)});
}

static hr_ring ring;
static hr_ring_batch batch;
static hr_redis_session_touches touches;
static char id[2][40];
static char last[24];

/* Three events, of which the first is settled; the third touches. */
static void
begin(void)
{
    make_ring(&ring);
    if (hr_ring_batch_init(&batch, 8) != HR_OK ||
        hr_redis_session_init(&touches, 8) != HR_OK) {
        printf("Bail out! no memory\n");
        exit(2);
    }
    put_number(&ring, 1, "0");
    put_number(&ring, 22, "a\r\nb");
    put_touch(&ring, 333, "ff", "/", NULL);
    hr_ring_batch_take(&batch, &ring, 8, false);
    hr_ring_batch_settle(&batch, 0, HR_RING_BATCH_EXPIRED);
    hr_redis_session_collect(&touches, &batch, 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(id[i], sizeof(id[i]), "00000000000000aa-%llu",
                 (unsigned long long)batch.events[i + 1].sequence);
    }
    snprintf(last, sizeof(last), "%llu",
             (unsigned long long)batch.events[2].sequence);
}

static void
end(void)
{
    hr_redis_session_fini(&touches);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

static int
is_first_event(const command *c)
{
    return c->count == 14 && is(c, 0, "XADD") && is(c, 1, "site:events") &&
           is(c, 2, "MAXLEN") && is(c, 3, "~") && is(c, 4, "1000") &&
           is(c, 5, "*") && is(c, 6, "id") && is(c, 7, id[0]) &&
           is(c, 8, "kind") && is(c, 9, "visit") && is(c, 10, "time") &&
           is(c, 11, "22") && is(c, 12, "n") && is(c, 13, "a\r\nb");
}

static const hr_redis_transaction_form FORM = {.prefix = {"site:", 5},
                                               .stream = {"site:events", 11},
                                               .max_length = 1000,
                                               .sessions =
                                                   HR_REDIS_SESSION_SCRIPT};

static void
test_transaction(void)
{
    hr_buf out;
    command c;
    hr_redis_transaction_written written;
    begin();
    hr_buf_init(&out, 65536);
    ok(hr_redis_transaction_write(HR_REDIS_TRANSACTION_MULTI, &FORM, &batch,
                                  &touches, &out, &written) == HR_OK,
       "transaction: written");
    ok(written.events == 2 && written.sessions == 1,
       "transaction: two events wait, one session");
    hr_span rest = {out.ptr, out.len};
    ok(next_command(&rest, &c) && c.count == 1 && is(&c, 0, "MULTI"),
       "transaction: MULTI");
    ok(next_command(&rest, &c) && is_first_event(&c),
       "transaction: the first event that waits, bytes as they are");
    ok(next_command(&rest, &c) && is(&c, 7, id[1]) &&
           is(&c, 12, "fingerprint") && is(&c, 15, "/"),
       "transaction: the second");
    ok(next_command(&rest, &c) && is(&c, 0, "EVAL"),
       "transaction: the session");
    ok(next_command(&rest, &c) && c.count == 5 && is(&c, 0, "SET") &&
           is(&c, 1, "site:marker:00000000000000aa") && is(&c, 2, last) &&
           is(&c, 3, "EX") && is(&c, 4, "604800"),
       "transaction: the marker is the last sequence");
    ok(next_command(&rest, &c) && is(&c, 0, "EXEC") && rest.len == 0,
       "transaction: EXEC, and nothing more");
    hr_buf_fini(&out);
    end();
}

static void
test_plain(void)
{
    hr_buf out;
    command c;
    hr_redis_transaction_written written;
    hr_redis_transaction_form form = FORM;
    begin();
    form.max_length = 0;
    form.sessions = HR_REDIS_SESSION_PLAIN;
    hr_buf_init(&out, 65536);
    ok(hr_redis_transaction_write(HR_REDIS_TRANSACTION_PLAIN, &form, &batch,
                                  &touches, &out, &written) == HR_OK,
       "plain: written");
    ok(written.events == 2 && written.sessions == HR_REDIS_SESSION_COMMANDS,
       "plain: two events, a session in plain commands");
    hr_span rest = {out.ptr, out.len};
    ok(next_command(&rest, &c) && is(&c, 0, "XADD") && is(&c, 2, "*"),
       "plain: without max_length nothing is trimmed");
    size_t commands = 1;
    while (next_command(&rest, &c)) {
        commands++;
    }
    ok(commands == 2 + HR_REDIS_SESSION_COMMANDS && rest.len == 0,
       "plain: as many commands as was said");
    form.sessions = HR_REDIS_SESSION_OFF;
    hr_buf_clear(&out);
    ok(hr_redis_transaction_write(HR_REDIS_TRANSACTION_PLAIN, &form, &batch,
                                  &touches, &out, &written) == HR_OK &&
           written.sessions == 0,
       "plain: without sessions none");
    hr_buf_fini(&out);
    end();
}

static void
test_script(void)
{
    hr_buf out;
    command c;
    hr_redis_transaction_written written;
    begin();
    hr_buf_init(&out, 65536);
    ok(hr_redis_transaction_write(HR_REDIS_TRANSACTION_SCRIPT, &FORM, &batch,
                                  &touches, &out, &written) == HR_OK,
       "script: written");
    hr_span rest = {out.ptr, out.len};
    ok(next_command(&rest, &c) && rest.len == 0, "script: one command");
    ok(is(&c, 0, "EVAL") && is(&c, 2, "3") && is(&c, 3, "site:events") &&
           is(&c, 4, "site:marker:00000000000000aa") &&
           is(&c, 5, "site:session:ff"),
       "script: its keys");
    ok(is(&c, 6, last) && is(&c, 7, "604800") && is(&c, 8, "2"),
       "script: the marker, its lifetime, how many events");
    ok(is(&c, 10, "12") && is(&c, 11, "MAXLEN") && is(&c, 16, id[0]),
       "script: each event with the number of its arguments");
    ok(is(&c, c.count - 6, "1800") && is(&c, c.count - 5, "333") &&
           is(&c, c.count - 2, "/") && is(&c, c.count - 1, ""),
       "script: the session at the end");
    hr_buf_fini(&out);
    end();
}

static void
test_caps(void)
{
    static const hr_redis_transaction_kind KINDS[] = {
        HR_REDIS_TRANSACTION_MULTI, HR_REDIS_TRANSACTION_PLAIN,
        HR_REDIS_TRANSACTION_SCRIPT};
    begin();
    for (size_t w = 0; w < 3; w++) {
        hr_buf out;
        hr_redis_transaction_written written;
        hr_status status = HR_TOO_BIG;
        int right = 1;
        for (size_t cap = 0; status != HR_OK && cap < 20000; cap += 7) {
            hr_buf_init(&out, cap);
            status = hr_redis_transaction_write(KINDS[w], &FORM, &batch,
                                                &touches, &out, &written);
            right = right && (status == HR_OK || status == HR_TOO_BIG);
            hr_buf_fini(&out);
        }
        ok(right && status == HR_OK, "cap: any, writer %zu", w);
#ifdef HR_ALLOC_TEST
        size_t n = 0;
        do {
            hr_buf_init(&out, 65536);
            hr_alloc_fail_at(++n, 0);
            status = hr_redis_transaction_write(KINDS[w], &FORM, &batch,
                                                &touches, &out, &written);
            hr_alloc_fail_at(0, 0);
            hr_buf_fini(&out);
        } while (status == HR_NO_MEMORY && n < 100);
        ok(n > 1 && status == HR_OK, "memory: none at %zu places, writer %zu",
           n - 1, w);
#endif
    }
    end();
}

int
main(void)
{
    test_transaction();
    test_plain();
    test_script();
    test_caps();
    return done_testing();
}

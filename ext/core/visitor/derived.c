/* SPDX-License-Identifier: MIT */
/* The salt of the day, and the ids made with it.
 *
 * In the folder lies `salt-<day>`, the day counted from the epoch. Whoever
 * needs it first writes a file of its own name and links it to that one: a
 * link either appears whole or fails since another process was faster, whose
 * salt is then read. Older salts are unlinked by whoever opens a newer one.
 *
 * The file is hostile until proven ours, as its folder is: opened without
 * following links, checked by descriptor.
 *
 * The salt in memory lies in a page that a forked child finds zeroed, which
 * reads as "no day known": the child reads the file again. The lock there
 * guards copies of a few hundred bytes, never a system call. */
#include "visitor/derived.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/fork_guard.h"
#include "visitor/client_address.h"
#include "base/random.h"
#include "base/secret.h"

#define SALT_SIZE 32
#define SALT_NAME_MAX 64
#define SALT_NAME "salt-"
#define DAY 86400
#define RETRY_SECONDS 10

/* Guarded by `busy`, except `busy`. All zeroes: no day known. */
typedef struct salt_store {
    atomic_bool busy;
    bool known;
    bool failed; /* there was no salt at `failed_at` */
    int64_t day;
    int64_t failed_at;
    hr_secret_hmac key;
} salt_store;

struct hr_visitor_derived {
    char *folder;
    salt_store *store;
    bool forgotten; /* `store` is memory that a fork wipes */
};

hr_status
hr_visitor_derived_new(const char *folder, hr_visitor_derived **result)
{
    hr_visitor_derived *derived = hr_alloc_zeroed(1, sizeof(*derived));
    if (derived == NULL) {
        return HR_NO_MEMORY;
    }
    derived->folder = hr_alloc_copy((hr_span){folder, strlen(folder)});
    derived->store = hr_fork_guard_page_new(sizeof(*derived->store), NULL);
    derived->forgotten = derived->store != NULL;
    if (derived->store == NULL) {
        derived->store = hr_alloc_zeroed(1, sizeof(*derived->store));
    }
    if (derived->folder == NULL || derived->store == NULL) {
        hr_visitor_derived_free(derived);
        return HR_NO_MEMORY;
    }
    *result = derived;
    return HR_OK;
}

void
hr_visitor_derived_free(hr_visitor_derived *derived)
{
    if (derived == NULL) {
        return;
    }
    if (derived->forgotten) {
        hr_fork_guard_page_free(derived->store, sizeof(*derived->store));
    } else if (derived->store != NULL) {
        hr_secret_wipe(derived->store, sizeof(*derived->store));
        hr_alloc_free(derived->store);
    }
    hr_alloc_free(derived->folder);
    hr_alloc_free(derived);
}

/* --- the file ---------------------------------------------------------- */

/* OK; ABSENT when there is no such file; SYSTEM when it is not ours. */
static hr_status
read_salt(int folder, const char *name, uint8_t salt[SALT_SIZE])
{
    struct stat info;
    int fd =
        openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? HR_ABSENT : HR_SYSTEM;
    }
    hr_status status = HR_SYSTEM;
    if (fstat(fd, &info) == 0 && hr_folder_is_private(&info, S_IFREG, 0600) &&
        info.st_size == SALT_SIZE &&
        pread(fd, salt, SALT_SIZE, 0) == SALT_SIZE) {
        status = HR_OK;
    }
    (void)close(fd);
    return status;
}

/* Puts a new salt there unless another process is faster: OK either way. */
static hr_status
write_salt(int folder, const char *name)
{
    uint8_t salt[SALT_SIZE];
    uint8_t suffix[8];
    char own[SALT_NAME_MAX + 24];
    if (hr_random_fill(salt, sizeof(salt)) != HR_OK ||
        hr_random_fill(suffix, sizeof(suffix)) != HR_OK) {
        return HR_SYSTEM;
    }
    uint64_t number;
    memcpy(&number, suffix, sizeof(number));
    (void)snprintf(own, sizeof(own), "%s.%016llx", name,
                   (unsigned long long)number);
    int fd =
        openat(folder, own,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return HR_SYSTEM;
    }
    bool done = fchmod(fd, 0600) == 0 && /* whatever the umask is */
                write(fd, salt, sizeof(salt)) == (ssize_t)sizeof(salt);
    hr_secret_wipe(salt, sizeof(salt));
    done = close(fd) == 0 && done;
    done =
        done && (linkat(folder, own, folder, name, 0) == 0 || errno == EEXIST);
    (void)unlinkat(folder, own, 0);
    return done ? HR_OK : HR_SYSTEM;
}

/* Unlinks the salts of days before `day`, and what a process that died while
 * it wrote one has left. */
static void
forget_older(int folder, int64_t day)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        const char *number = entry->d_name + sizeof(SALT_NAME) - 1;
        char *end;
        if (strncmp(entry->d_name, SALT_NAME, sizeof(SALT_NAME) - 1) != 0 ||
            *number < '0' || *number > '9') {
            continue;
        }
        long long of = strtoll(number, &end, 10);
        if (of < day && (*end == '\0' || *end == '.')) {
            (void)unlinkat(folder, entry->d_name, 0);
        }
    }
    (void)closedir(entries);
}

static hr_status
load_salt(const char *path, int64_t day, uint8_t salt[SALT_SIZE])
{
    char name[SALT_NAME_MAX];
    int folder = hr_folder_open(path);
    if (folder < 0) {
        return HR_SYSTEM;
    }
    (void)snprintf(name, sizeof(name), SALT_NAME "%lld", (long long)day);
    hr_status status = read_salt(folder, name, salt);
    if (status == HR_ABSENT) {
        status = write_salt(folder, name);
        if (status == HR_OK) {
            status = read_salt(folder, name, salt);
        }
    }
    if (status == HR_OK) {
        forget_older(folder, day);
    }
    hr_fork_guard_close(folder);
    return status == HR_OK ? HR_OK : HR_SYSTEM;
}

/* --- the salt in memory ------------------------------------------------ */

static void
lock(salt_store *store)
{
    while (
        atomic_exchange_explicit(&store->busy, true, memory_order_acquire)) {
        (void)sched_yield();
    }
}

static void
unlock(salt_store *store)
{
    atomic_store_explicit(&store->busy, false, memory_order_release);
}

/* Copies the key of `day` out. ABSENT: not known, or it is time to look
 * again. SYSTEM: there was none a moment ago. A thread that read the clock
 * just before midnight takes the salt of the new day, which another one has
 * brought, and does not bring the old one back. */
static hr_status
recall(salt_store *store, int64_t day, int64_t now, hr_secret_hmac *key)
{
    hr_status status = HR_ABSENT;
    lock(store);
    if (store->known && (store->day == day || store->day == day + 1)) {
        *key = store->key;
        status = HR_OK;
    } else if (store->failed && now >= store->failed_at &&
               now - store->failed_at < RETRY_SECONDS) {
        status = HR_SYSTEM;
    }
    unlock(store);
    return status;
}

/* Keeps what loading gave. The clock may have been set back, so the store
 * follows the day asked for, in both directions. */
static void
remember(salt_store *store, int64_t day, int64_t now,
         const hr_secret_hmac *key)
{
    lock(store);
    hr_secret_wipe(&store->key, sizeof(store->key));
    store->known = key != NULL;
    store->failed = key == NULL;
    store->failed_at = now;
    store->day = day;
    if (key != NULL) {
        store->key = *key;
    }
    unlock(store);
}

static hr_status
find_key(hr_visitor_derived *derived, int64_t now, hr_secret_hmac *key)
{
    int64_t day = now / DAY;
    hr_status status = recall(derived->store, day, now, key);
    if (status != HR_ABSENT) {
        return status;
    }
    uint8_t salt[SALT_SIZE];
    status = load_salt(derived->folder, day, salt);
    if (status == HR_OK) {
        status =
            hr_secret_hmac_init(key, (hr_span){(char *)salt, sizeof(salt)});
    }
    hr_secret_wipe(salt, sizeof(salt));
    remember(derived->store, day, now, status == HR_OK ? key : NULL);
    return status;
}

/* --- ids --------------------------------------------------------------- */

hr_status
hr_visitor_derived_fingerprint(hr_visitor_derived *derived,
                               const hr_visitor_derived_client *client,
                               int64_t now,
                               hr_visitor_fingerprint *fingerprint)
{
    hr_secret_hmac key;
    if (now < 0) {
        now = 0;
    }
    hr_status status = find_key(derived, now, &key);
    if (status != HR_OK) {
        return status;
    }
    char prefix[HR_VISITOR_CLIENT_ADDRESS_MAX + 4];
    const hr_span given[] = {
        hr_visitor_client_address_prefix(client->address, prefix),
        client->user_agent,
        client->accept,
        client->accept_language,
        client->accept_encoding,
    };
    enum { GIVEN = sizeof(given) / sizeof(given[0]) };
    /* each part after its length, so that no two clients read the same */
    uint64_t lengths[GIVEN];
    hr_span parts[2 * GIVEN];
    for (size_t i = 0; i < GIVEN; i++) {
        lengths[i] = given[i].len;
        parts[2 * i] = (hr_span){(const char *)&lengths[i], sizeof(uint64_t)};
        parts[2 * i + 1] = given[i];
    }
    uint8_t digest[HR_SECRET_SHA256_SIZE];
    hr_secret_hmac_sign(&key, parts, 2 * (size_t)GIVEN, digest);
    hr_secret_wipe(&key, sizeof(key));
    hr_visitor_fingerprint_set_id(fingerprint, digest);
    fingerprint->value_len = 0;
    fingerprint->reissue = false;
    fingerprint->issued_at = now;
    return HR_OK;
}

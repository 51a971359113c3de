/* SPDX-License-Identifier: MIT */
/* What a signature engine offers. Implemented by signature_openssl.c (always
 * built) and signature_libjwt.c (optional). */
#ifndef HR_TOKEN_SIGNATURE_H
#define HR_TOKEN_SIGNATURE_H

#include <stddef.h>

#include "token/jws.h"
#include "base/span.h"
#include "base/status.h"

/* A key as one engine wants it: parsed once, used by any number of threads.
 * The key stays alive for as long (the engine does not retain it). */
typedef struct hr_token_signature_prepared hr_token_signature_prepared;
struct hr_token_keyring_key; /* token/keyring.h */

typedef struct hr_token_signature_engine {
    const char *name;
    const char *(*version)(void); /* of the library that runs */
    /* KEY_ALGORITHM: this engine cannot do it. NO_MEMORY. */
    hr_status (*prepare)(const struct hr_token_keyring_key *key,
                         hr_token_signature_prepared **prepared);
    void (*free)(hr_token_signature_prepared *prepared); /* NULL is fine */
    /* Does `signature` (decoded) sign jws->signed_text under this key, by the
     * key's own algorithm? `text` is the whole token. OK; SIGNATURE; ENGINE:
     * the engine refuses it for a reason of its own; NO_MEMORY. Leaves the
     * library's error queue empty. Any thread. */
    hr_status (*verify)(hr_token_signature_prepared *prepared, hr_span text,
                        const hr_token_jws *jws, hr_span signature);
} hr_token_signature_engine;

const hr_token_signature_engine *hr_token_signature_openssl(void);

/* NULL where the core was built without libjwt. */
#ifdef HR_HAVE_LIBJWT
const hr_token_signature_engine *hr_token_signature_libjwt(void);
#else
static inline const hr_token_signature_engine *
hr_token_signature_libjwt(void)
{
    return NULL;
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* Public keys for tests, good and bad, as PEM: made once with openssl, the
 * bad ones by changing a byte or two. None has a private key that is kept. */
#ifndef HR_TEST_KEYS_H
#define HR_TEST_KEYS_H

#define RSA_SPKI                                                         \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArI4DLIM8t6uCr8lEQgqI\n" \
    "bSiPXD49Y5qY1HknRKsUf7x04uNL3rzb52obgD6k/dtAxJls64uha8SIkA2YU/WS\n" \
    "tr9NcfmW0YAHwHUE1liJGfFBvRuMMX4MJ309PGPvSUK7wr1Cu88yaahNWTHub7dn\n" \
    "MB2TkvX0zcYRcVw8aDIVNns9uisbM6ekBlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i\n" \
    "0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDjmdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1\n" \
    "WVJk1pIY1A3/MC6jygTeqpgFrbUd/YrwYEjW2zrjaRwpZOlt2OgrbukGcOp23kWx\n" \
    "LwIDAQAB\n"                                                         \
    "-----END PUBLIC KEY-----\n"

#define RSA_PKCS1                                                        \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBCgKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOlt2OgrbukGcOp23kWxLwIDAQAB\n"                         \
    "-----END RSA PUBLIC KEY-----\n"

#define RSA_1024                                                         \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRyS9Vpp64BRmc3qB8mCMYAQU9\n" \
    "za+y43181Fo/SFGCuH8fmAdLDmIevSDIbgKWTfuZOIBvlGPKFloOx0h1Zkbqk9+v\n" \
    "IgxXNBu76Sy5QIlmLbeoj2RV4fGRWcTWHhuikVKcgKgkTYTBhjiBdWw1iX1TUfGY\n" \
    "3FOujBybM26u95+MTQIDAQAB\n"                                         \
    "-----END PUBLIC KEY-----\n"

#define EC_SPKI                                                          \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8ftnuMnFCi0MHwdFvgZE+5g75RQX\n" \
    "BsK2j8JPIeMBSA7CIwycySE6ghtLIu79d9Juaicf9tLVWrPRD0hkdoPqjw==\n"     \
    "-----END PUBLIC KEY-----\n"

#define CERTIFICATE                                                      \
    "-----BEGIN CERTIFICATE-----\n"                                      \
    "MIIBbjCCAROgAwIBAgIUSiFyyyd5wlYO0hFuLNNFsa5+zLUwCgYIKoZIzj0EAwIw\n" \
    "DDEKMAgGA1UEAwwBdDAeFw0yNjExMjYwMDQwMDVaFw0zNjExMjMwMDQwMDVaMAwx\n" \
    "CjAIBgNVBAMMAXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATx+2e4ycUKLQwf\n" \
    "B0W+BkT7mDvlFBcGwraPwk8h4wFIDsIjDJzJITqCG0si7v130m5qJx/20tVas9EP\n" \
    "SGR2g+qPo1MwUTAdBgNVHQ4EFgQUwr4QFXavpeC2fcZhSfApZw2mGv0wHwYDVR0j\n" \
    "BBgwFoAUwr4QFXavpeC2fcZhSfApZw2mGv0wDwYDVR0TAQH/BAUwAwEB/zAKBggq\n" \
    "hkjOPQQDAgNJADBGAiEA+WNpZiSrwIqcOz+ZL5vt2fFY5/iWe9BWBWFSe3AN/+0C\n" \
    "IQC5nUQA2gR41VTNQsh2ZSxro0xX1YlCYvN7JydmYHp4nA==\n"                 \
    "-----END CERTIFICATE-----\n"

#define EC_384                                                           \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEsw43THFiS/Cdmup2WilV4EExqRH5eS8J\n" \
    "DT8txvoqFXgZC4AR3MfxjekTYuI8ruik9f/1WxmWVbVwGfxZU6XMDzsq5UKrdH/K\n" \
    "3JmI+wxpXyD0ci72CPejrBp3BwJUDpJj\n"                                 \
    "-----END PUBLIC KEY-----\n"

#define ED25519                                                      \
    "-----BEGIN PUBLIC KEY-----\n"                                   \
    "MCowBQYDK2VwAyEA5lvxBAT6gR+lcPo7VbsxOSqA7SCdk/d+W5c52Ry8Fmg=\n" \
    "-----END PUBLIC KEY-----\n"

#define EC_COMPRESSED                                                    \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAD8ftnuMnFCi0MHwdFvgZE+5g75RQX\n" \
    "BsK2j8JPIeMBSA4=\n"                                                 \
    "-----END PUBLIC KEY-----\n"

#define EC_OFF_CURVE                                                     \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8ftnuMnFCi0MHwdFvgZE+5g75RQX\n" \
    "BsK2j8JPIeMBSA7CIwycySE6ghtLIu79d9Juaicf9tLVWrPRD0hkdoPqjg==\n"     \
    "-----END PUBLIC KEY-----\n"

#define EC_TRAILING                                                      \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8ftnuMnFCi0MHwdFvgZE+5g75RQX\n" \
    "BsK2j8JPIeMBSA7CIwycySE6ghtLIu79d9Juaicf9tLVWrPRD0hkdoPqjwA=\n"     \
    "-----END PUBLIC KEY-----\n"

#define EC_INFINITY                          \
    "-----BEGIN PUBLIC KEY-----\n"           \
    "MBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA\n" \
    "-----END PUBLIC KEY-----\n"

#define EC_HYBRID                                                        \
    "-----BEGIN PUBLIC KEY-----\n"                                       \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAH8ftnuMnFCi0MHwdFvgZE+5g75RQX\n" \
    "BsK2j8JPIeMBSA7CIwycySE6ghtLIu79d9Juaicf9tLVWrPRD0hkdoPqjw==\n"     \
    "-----END PUBLIC KEY-----\n"

#define ED_SMALL_ORDER                                               \
    "-----BEGIN PUBLIC KEY-----\n"                                   \
    "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" \
    "-----END PUBLIC KEY-----\n"

#define ED_SHORT                                                     \
    "-----BEGIN PUBLIC KEY-----\n"                                   \
    "MCkwBQYDK2VwAyAAAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\n" \
    "-----END PUBLIC KEY-----\n"

#define RSA_E1                                                           \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBCAKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOlt2OgrbukGcOp23kWxLwIBAQ==\n"                         \
    "-----END RSA PUBLIC KEY-----\n"

#define RSA_EVEN_E                                                       \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBCAKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOlt2OgrbukGcOp23kWxLwIBBA==\n"                         \
    "-----END RSA PUBLIC KEY-----\n"

#define RSA_LONG_E                                                       \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBDAKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOlt2OgrbukGcOp23kWxLwIFAgAAAAE=\n"                     \
    "-----END RSA PUBLIC KEY-----\n"

#define RSA_EVEN_N                                                       \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBCgKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOlt2OgrbukGcOp23kWxMAIDAQAB\n"                         \
    "-----END RSA PUBLIC KEY-----\n"

#define RSA_ROCA                                                         \
    "-----BEGIN RSA PUBLIC KEY-----\n"                                   \
    "MIIBCgKCAQEArI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb\n" \
    "52obgD6k/dtAxJls64uha8SIkA2YU/WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4M\n" \
    "J309PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek\n" \
    "BlDBeRM4/TgDLv+Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDj\n" \
    "mdWQjS/h4aIIqLAUDxp3nVbVTfl/zjg1WVJk1pIY1A3/MC6jygTeqpgFrbUd/Yrw\n" \
    "YEjW2zrjaRwpZOltx/shzSoLVwDSiVsstwIDAQAB\n"                         \
    "-----END RSA PUBLIC KEY-----\n"

/* Only the labels matter. */
#define EC_SEC1_PRIVATE                \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MAMCAQE=\n"                       \
    "-----END EC PRIVATE KEY-----\n"
#define PKCS8_PRIVATE               \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MAMCAQE=\n"                    \
    "-----END PRIVATE KEY-----\n"

#endif

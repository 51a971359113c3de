/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/status.h"

#define X(number, name, word, text) {number, word, text},
static const struct {
    int number;
    const char *word;
    const char *text;
} LIST[] = {HR_STATUS_LIST(X)};
#undef X

#define COUNT (sizeof(LIST) / sizeof(LIST[0]))

static int
is_word(const char *word)
{
    return word[0] != '\0' &&
           strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
               strlen(word);
}

int
main(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        hr_status status = (hr_status)LIST[i].number;
        ok(LIST[i].number >= 0 && LIST[i].number < HR_STATUS_SLOTS &&
               strcmp(hr_status_word(status), LIST[i].word) == 0 &&
               strcmp(hr_status_text(status), LIST[i].text) == 0,
           "%s: its number finds its word and text", LIST[i].word);
        int alone = is_word(LIST[i].word);
        for (size_t j = 0; j < i; j++) {
            alone &= LIST[j].number != LIST[i].number &&
                     strcmp(LIST[j].word, LIST[i].word) != 0;
        }
        ok(alone, "%s: nobody else has its number or word", LIST[i].word);
    }
    static const int OUTSIDE[] = {-1, 127, 128, 1000000};
    for (size_t i = 0; i < sizeof(OUTSIDE) / sizeof(OUTSIDE[0]); i++) {
        ok(strcmp(hr_status_word((hr_status)OUTSIDE[i]), "unknown") == 0,
           "%d is not in the list", OUTSIDE[i]);
    }
    return done_testing();
}

#include "tidemill.h"

/* Length of the UTF-8 sequence at `at`, which `left` bytes are left of; 0 where there is none. */
static size_t sequence(const uint8_t *at, size_t left) {
    uint8_t lead = at[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    /* Longer than need be, a surrogate, or above U+10FFFF. */
    if (lead == 0xe0 && at[1] < 0xa0) return 0;
    if (lead == 0xed && at[1] > 0x9f) return 0;
    if (lead == 0xf0 && at[1] < 0x90) return 0;
    if (lead == 0xf4 && at[1] > 0x8f) return 0;
    return length;
}

bool tidemill_is_utf8(tidemill_bytes text) {
    size_t at = 0;
    while (at < text.length) {
        /* Most text is ASCII: eight bytes at a time. */
        uint64_t word;
        if (text.length - at >= sizeof word) {
            memcpy(&word, text.data + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof word;
                continue;
            }
        }
        size_t length = sequence(text.data + at, text.length - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

size_t tidemill_letters(tidemill_bytes text) {
    size_t letters = 0;
    for (size_t i = 0; i < text.length; i++) letters += (text.data[i] & 0xc0) != 0x80;
    return letters;
}

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

bool tidemill_next_word(tidemill_bytes *rest, tidemill_bytes *word) {
    size_t start = 0, length = rest->length;
    while (start < length && is_space(rest->data[start])) start++;
    size_t end = start;
    while (end < length && !is_space(rest->data[end])) end++;
    if (start == end) return false;
    word->data = rest->data + start;
    word->length = end - start;
    rest->data += end;
    rest->length -= end;
    return true;
}

bool tidemill_equal(tidemill_bytes a, tidemill_bytes b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool tidemill_contains(tidemill_bytes text, tidemill_bytes wanted) {
    if (wanted.length == 0) return true;
    while (text.length >= wanted.length) {
        const uint8_t *found = memchr(text.data, wanted.data[0], text.length - wanted.length + 1);
        if (found == NULL) return false;
        if (memcmp(found, wanted.data, wanted.length) == 0) return true;
        text.length -= (size_t)(found - text.data) + 1;
        text.data = found + 1;
    }
    return false;
}

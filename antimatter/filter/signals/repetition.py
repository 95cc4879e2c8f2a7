"""Repeated words and n-grams of a text, in the two ways in which the field counts them.

    a b c d e  x y  a b c d e        duplicate 5-grams: one, at two places
    covered     all occurrences, each word once:       10 of 12 words
    datatrove   later occurrences, skipped over:        5 of 12 words

An n-gram can occur twice only if both (n-1)-grams in it do. So the search goes by length: the places whose n-gram is
repeated are numbered, equal ones alike, and the pair of numbers at two neighbouring places is the next length's key.
Nothing is hashed but words, the numbers are exact, and after two or three lengths few places are left.
"""

import numpy as np
from numba import njit

from antimatter.text.words import Words, longer, mix, slots_for

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
COUNTS = (
    "distinct",
    *(f"top_{n}gram" for n in TOP),
    *(f"top_{n}gram_datatrove" for n in TOP),
    *(f"duplicate_{n}gram" for n in DUPLICATE),
    *(f"duplicate_{n}gram_datatrove" for n in DUPLICATE),
)
"""Distinct words; all others are characters."""
_LONGEST = DUPLICATE[-1]


def count_repetition(words: Words) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(int64[n] for each of COUNTS, float64[n] entropy of the words in nats), of the words of n texts.

    top_Ngram             characters of the words that the occurrences of the most frequent n-gram cover, 0 if none
                          occurs twice; of equally frequent ones the largest cover
    top_Ngram_datatrove   occurrences of the most frequent n-gram (even of one that occurs once; of equally frequent
                          ones the first) times its characters, joined with spaces
    duplicate_Ngram       characters of the words that any repeated n-gram covers
    duplicate_Ngram_datatrove  characters of n-grams met before on a walk that jumps over those that it has met before
    """
    counts = np.zeros((len(words.starts) - 1, len(COUNTS)), dtype=np.int64)
    entropy = np.zeros(len(counts), dtype=np.float64)
    _count(words.starts, words.ids, words.characters, counts, entropy)
    return dict(zip(COUNTS, counts.T.copy(), strict=True)), entropy


@njit(cache=True)
def _count(starts, ids, characters, counts, entropy):  # type: ignore[no-untyped-def]
    times = np.zeros(len(characters), np.int32)  # of each word in the present text; zero again after it
    logs = np.zeros(1024, np.float64)
    logs[1:] = np.log(np.arange(1, len(logs)))
    for d in range(len(starts) - 1):
        text = ids[starts[d] : starts[d + 1]]
        counts[d, 0], repeated = _count_words(text, times)
        entropy[d] = _entropy(text, times, logs)
        if len(text) >= 2:
            for n in range(2, 5):
                if len(text) >= n:
                    counts[d, 2 + n] = _span(text, characters, 0, n) + n - 1
        if repeated >= 2:
            _count_ngrams(text, times, repeated, characters, counts[d])
        for word in text:
            times[word] = 0


@njit(cache=True)
def _count_words(text, times):  # type: ignore[no-untyped-def]
    """(distinct words, words that occur at least twice); fills `times`."""
    distinct = repeated = 0
    for word in text:
        times[word] += 1
        if times[word] == 1:
            distinct += 1
        else:
            repeated += 1 if times[word] > 2 else 2
    return distinct, repeated


@njit(cache=True)
def _entropy(text, times, logs):  # type: ignore[no-untyped-def]
    """log W - (sum of c log c over distinct words) / W, where each of a word's c places adds log c."""
    total = 0.0
    for word in text:
        count = times[word]
        total += logs[count] if count < len(logs) else np.log(count)
    return max(0.0, np.log(len(text)) - total / len(text)) if len(text) else 0.0


@njit(cache=True)
def _span(text, characters, start, stop):  # type: ignore[no-untyped-def]
    total = 0
    for place in range(start, stop):
        total += characters[text[place]]
    return total


@njit(cache=True)
def _count_ngrams(text, times, repeated, characters, row):  # type: ignore[no-untyped-def]
    """Fill the n-gram counts of one text, in which `repeated` words occur at least twice."""
    places, numbers = np.empty(repeated, np.int32), np.empty(repeated, np.int32)
    alive = 0
    for place in range(len(text)):
        if times[text[place]] >= 2:
            places[alive], numbers[alive] = place, text[place]
            alive += 1
    for n in range(2, _LONGEST + 1):
        alive, keys, occurrences = _next_length(places, numbers, alive)
        if n <= 4:
            _count_top(text, characters, n, places[:alive], numbers, occurrences, row)
        else:
            row[7 + n - 5] = _covered(text, characters, n, places[:alive], numbers, occurrences)
            row[13 + n - 5] = _walked(text, characters, n, places[:alive], numbers, len(keys))
        kept = 0
        for index in range(alive):
            if occurrences[numbers[index]] >= 2:
                places[kept], numbers[kept] = places[index], numbers[index]
                kept += 1
        alive = kept
        if alive < 2:
            return


_CHUNK = 1 << 16  # places between two looks at the size of the table


@njit(cache=True)
def _next_length(places, numbers, alive):  # type: ignore[no-untyped-def]
    """Places whose n-gram is made of two repeated (n-1)-grams, and its number, in place of those of the (n-1)-grams.

    Returns (how many, keys by number, occurrences by number): numbers are given in the order of first occurrence.
    """
    room = min(alive, _CHUNK)
    keys, occurrences = np.empty(room, np.uint64), np.empty(room, np.int32)
    table = np.full(slots_for(room), -1, np.int32)
    found = numbered = 0
    for start in range(0, alive - 1, _CHUNK):
        stop = min(start + _CHUNK, alive - 1)
        if numbered + stop - start > len(keys):
            keys, occurrences = longer(keys), longer(occurrences)
            table = _regrown(keys, numbered, slots_for(len(keys)))
        found, numbered = _number(places, numbers, start, stop, table, keys, occurrences, found, numbered)
    return found, keys[:numbered], occurrences[:numbered]


@njit(cache=True)
def _number(places, numbers, start, stop, table, keys, occurrences, found, numbered):  # type: ignore[no-untyped-def]
    last = np.uint64(len(table) - 1)
    for index in range(start, stop):
        if places[index + 1] != places[index] + 1:
            continue
        key = (np.uint64(numbers[index]) << np.uint64(32)) | np.uint64(numbers[index + 1])
        slot = mix(key) & last
        while table[slot] >= 0 and keys[table[slot]] != key:
            slot = (slot + np.uint64(1)) & last
        number = table[slot]
        if number < 0:
            number = np.int32(numbered)
            table[slot] = number
            keys[number], occurrences[number] = key, 0
            numbered += 1
        occurrences[number] += 1
        places[found], numbers[found] = places[index], number
        found += 1
    return found, numbered


@njit(cache=True)
def _regrown(keys, numbered, size):  # type: ignore[no-untyped-def]
    table = np.full(size, -1, np.int32)
    last = np.uint64(size - 1)
    for number in range(numbered):
        slot = mix(keys[number]) & last
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        table[slot] = number
    return table


@njit(cache=True)
def _count_top(text, characters, n, places, numbers, occurrences, row):  # type: ignore[no-untyped-def]
    most = 1
    for count in occurrences:
        most = max(most, count)
    if most == 1:
        return
    covers, ends = np.zeros(len(occurrences), np.int64), np.zeros(len(occurrences), np.int32)
    largest = first = -1
    for index in range(len(places)):
        number, place = numbers[index], places[index]
        if occurrences[number] == most:
            if first < 0:
                first = number
                row[2 + n] = most * (_span(text, characters, place, place + n) + n - 1)
            covers[number] += _span(text, characters, max(place, ends[number]), place + n)
            ends[number] = place + n
            largest = max(largest, covers[number])
    row[n - 1] = largest


@njit(cache=True)
def _covered(text, characters, n, places, numbers, occurrences):  # type: ignore[no-untyped-def]
    total = end = 0
    for index in range(len(places)):
        if occurrences[numbers[index]] >= 2:
            total += _span(text, characters, max(places[index], end), places[index] + n)
            end = places[index] + n
    return total


@njit(cache=True)
def _walked(text, characters, n, places, numbers, distinct):  # type: ignore[no-untyped-def]
    """Places that are not here hold n-grams that occur once: the walk steps over them one by one."""
    met = np.zeros(distinct, np.bool_)
    total = free = 0
    for index in range(len(places)):
        if places[index] < free:
            continue
        if met[numbers[index]]:
            total += _span(text, characters, places[index], places[index] + n)
            free = places[index] + n
        met[numbers[index]] = True
    return total

# SPDX-License-Identifier: MIT
"""The guest of random accesses in the places that every run leaves out."""
import guests

for _place in guests.LONG_FUZZ_PLACES:
    globals()["test_fuzz_on_" + _place.replace("-", "_")] = guests.fuzz(_place)

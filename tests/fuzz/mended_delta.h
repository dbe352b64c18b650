// Makes the hashes, counts, index and trailer of a delta right, so that a fuzz input gets past them
// to what they protect: whoever means harm can compute them too (D4).
//
// Errors    What cannot be mended stays as it is.
// Threads   Plain functions.
#pragma once

#include "tests/fuzz/fuzz_target.h"

namespace ddsnap::fuzz {

// `with_content`: also the hashes of chunks whose content is stored uncompressed.
void mend_delta(Bytes& delta, bool with_content);

}  // namespace ddsnap::fuzz

// The options that attach and mount have in common.
//
// Threads   Plain function.
#pragma once

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/attach_volume.h"

namespace ddsnap {

void declare_attach_options(ArgumentParser& parser, AttachWish& wish);

}  // namespace ddsnap

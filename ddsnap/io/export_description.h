// The sentence by which an NBD export says which snapshot it is (D5), written by the nbdkit plugin
// and read by NbdDevice.
//
// Shape     "ddsnap snapshot uuid=<uuid> tag=<tag>", or "ddsnap origin store=<uuid>", perhaps
// followed by
//           more words.
// Errors    What is not of this form proves nothing: an empty uuid, never an error.
// Threads   Plain functions.
#pragma once

#include <string>
#include <string_view>

#include "ddsnap/base/uuid.h"

namespace ddsnap {

std::string describe_snapshot_export(const Uuid& uuid, std::string_view tag);
std::string describe_origin_export(const Uuid& store);
// The snapshot's uuid as text; the nil uuid for an origin; or empty.
std::string uuid_of_export_description(std::string_view description);

}  // namespace ddsnap

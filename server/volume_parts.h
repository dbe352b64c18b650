// What every part of a volume works with.
//
// Lifetime  All borrowed; the volume owns or outlives them.
#pragma once

#include "ddsnap/base/log.h"
#include "ddsnap/io/block_device.h"
#include "server/outbox.h"
#include "server/store/snap_store.h"
#include "server/volume_config.h"

namespace ddsnap {

class AttachmentTable;

struct VolumeParts {
  SnapStore& store;
  BlockDevice& origin;
  const VolumeConfig& config;
  Outbox& out;
  AttachmentTable& attachments;
  LogSink& log;
};

}  // namespace ddsnap

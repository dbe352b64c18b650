#include "server/store/operations.h"

#include <fmt/format.h>

#include <array>

#include "ddsnap/base/endian.h"
#include "server/store/pack.h"

namespace ddsnap {

namespace {

enum class OpType : std::uint16_t {
  kCopiedOut = 1,
  kChanged = 2,
  kPrivate = 3,
  kCreate = 4,
  kRemove = 5,
  kMarkDropping = 6,
  kSetPriority = 7,
  kSetUseCount = 8,
  kAttach = 9,
  kDetach = 10,
  kResizeOrigin = 11,
  kStepDown = 12,
  kSetSettings = 13,
  kLoseTrack = 14,
  kSealOrigin = 15,
};

using Text64 = std::array<char, 64>;
using Bytes16 = std::array<std::byte, 16>;

struct OpHeaderDisk {
  le16 type;
  le16 reserved;
  le32 body_bytes;
};
struct EpochPairDisk {
  le64 first;
  le64 second;
};
struct ExceptionDisk {
  le32 chunk;
  le32 slot;
  le64 hash;
};
struct CreateDisk {
  le64 epoch;
  Bytes16 uuid;
  Text64 tag;
  le64 created_ns;
  le64 size_bytes;
  le32 priority;  // as a signed number
  le32 is_bookmark;
};
struct EpochValueDisk {
  le64 epoch;
  le32 value;
};
struct AttachDisk {
  le32 id;
  le32 flags;  // 1: origin, 2: kernel
  le64 snapshot;
  Bytes16 snapshot_uuid;
  Bytes16 target_uuid;
  Bytes16 boot_id;
  le64 dm_device_or_pid;
  Text64 label;
};

struct StepDownDisk {
  le32 rung;
  le32 reserved;
  std::array<char, kMaxStepDownTextBytes + 1> why;
};
struct SettingsDisk {
  le32 on_failure;  // 0: the origin goes on, 1: it stops
  le32 warn_percent[2];
  le32 reserved;
};

struct Encoder {
  std::vector<std::byte>& out;

  OpType operator()(const CopiedOutOp& op) const {
    pack(EpochPairDisk{op.table.value, op.boundary.value}, out);
    pack_exceptions(op.exceptions);
    return OpType::kCopiedOut;
  }
  OpType operator()(const ChangedOp& op) const {
    pack(le64(op.boundary.value), out);
    for (const ChunkNr chunk : op.chunks) pack(le32(chunk.value), out);
    return OpType::kChanged;
  }
  OpType operator()(const PrivateOp& op) const {
    pack(le64(op.snapshot.value), out);
    pack_exceptions(op.exceptions);
    return OpType::kPrivate;
  }
  OpType operator()(const CreateOp& op) const {
    CreateDisk disk{};
    disk.epoch = op.epoch.value;
    disk.uuid = op.boundary.uuid.bytes;
    pack_text(op.boundary.tag, disk.tag);
    disk.created_ns = op.boundary.created_ns;
    disk.size_bytes = op.size_bytes;
    disk.priority = static_cast<std::uint32_t>(op.boundary.priority);
    disk.is_bookmark = op.boundary.is_bookmark;
    pack(disk, out);
    return OpType::kCreate;
  }
  OpType operator()(const RemoveOp& op) const {
    return value_op(OpType::kRemove, op.epoch, static_cast<std::uint32_t>(op.keep));
  }
  OpType operator()(const MarkDroppingOp& op) const {
    return value_op(OpType::kMarkDropping, op.epoch, 0);
  }
  OpType operator()(const SetPriorityOp& op) const {
    return value_op(OpType::kSetPriority, op.epoch, static_cast<std::uint32_t>(op.priority));
  }
  OpType operator()(const SetUseCountOp& op) const {
    return value_op(OpType::kSetUseCount, op.epoch, op.use_count);
  }
  OpType operator()(const AttachOp& op) const {
    const Attachment& host = op.attachment;
    AttachDisk disk{};
    disk.id = host.id;
    disk.flags = (host.is_origin ? 1u : 0u) | (host.is_kernel ? 2u : 0u);
    disk.snapshot = host.snapshot.value;
    disk.snapshot_uuid = host.snapshot_uuid.bytes;
    disk.target_uuid = host.target_uuid.bytes;
    disk.boot_id = host.boot_id.bytes;
    disk.dm_device_or_pid = host.dm_device_or_pid;
    pack_text(host.label, disk.label);
    pack(disk, out);
    return OpType::kAttach;
  }
  OpType operator()(const DetachOp& op) const {
    pack(le32(op.attachment_id), out);
    return OpType::kDetach;
  }
  OpType operator()(const ResizeOriginOp& op) const {
    pack(le64(op.size_bytes), out);
    return OpType::kResizeOrigin;
  }
  OpType operator()(const StepDownOp& op) const {
    StepDownDisk disk{};
    disk.rung = static_cast<std::uint32_t>(op.to.rung);
    pack_text(op.to.why, disk.why);
    pack(disk, out);
    return OpType::kStepDown;
  }
  OpType operator()(const SetSettingsOp& op) const {
    SettingsDisk disk{};
    disk.on_failure = static_cast<std::uint32_t>(op.settings.on_failure);
    for (std::size_t i = 0; i < op.settings.warn_percent.size(); ++i)
      disk.warn_percent[i] = op.settings.warn_percent[i];
    pack(disk, out);
    return OpType::kSetSettings;
  }
  OpType operator()(const LoseTrackOp& op) const {
    pack(le64(op.boundary.value), out);
    return OpType::kLoseTrack;
  }
  OpType operator()(const SealOriginOp& op) const {
    pack(le64(op.digest), out);
    return OpType::kSealOrigin;
  }

 private:
  OpType value_op(OpType type, Epoch epoch, std::uint32_t value) const {
    pack(EpochValueDisk{epoch.value, value}, out);
    return type;
  }
  void pack_exceptions(const std::vector<ChunkException>& exceptions) const {
    for (const auto& [chunk, exception] : exceptions)
      pack(ExceptionDisk{chunk.value, exception.slot.value, exception.hash.value}, out);
  }
};

Result<std::vector<ChunkException>> take_exceptions(Unpacker& body) {
  std::vector<ChunkException> exceptions;
  while (!body.is_at_end()) {
    const auto disk = DD_TRY(body.take<ExceptionDisk>());
    exceptions.push_back(
        {{disk.chunk.get()}, {.slot = {disk.slot.get()}, .hash = {disk.hash.get()}}});
  }
  return exceptions;
}

Result<Operation> decode_create(Unpacker& body) {
  const auto disk = DD_TRY(body.take<CreateDisk>());
  CreateOp op{.epoch = {disk.epoch.get()}, .size_bytes = disk.size_bytes.get()};
  op.boundary = {
    .uuid = {disk.uuid},
    .tag = DD_TRY(unpack_text(disk.tag)),
    .priority = static_cast<std::int8_t>(disk.priority.get()),
    .is_bookmark = disk.is_bookmark.get() != 0,
    .created_ns = disk.created_ns.get()
  };
  return op;
}

Result<Operation> decode_attach(Unpacker& body) {
  const auto disk = DD_TRY(body.take<AttachDisk>());
  return AttachOp{{.id = disk.id.get(),
                   .is_origin = (disk.flags.get() & 1) != 0,
                   .is_kernel = (disk.flags.get() & 2) != 0,
                   .snapshot = {disk.snapshot.get()},
                   .snapshot_uuid = {disk.snapshot_uuid},
                   .target_uuid = {disk.target_uuid},
                   .boot_id = {disk.boot_id},
                   .dm_device_or_pid = disk.dm_device_or_pid.get(),
                   .label = DD_TRY(unpack_text(disk.label))}};
}

Result<Operation> decode_remove(const EpochValueDisk& disk) {
  const std::uint32_t keep = disk.value.get();
  if (keep > static_cast<std::uint32_t>(SnapStore::Keep::kDropped))
    return fail(ErrorCode::kDamaged, "a journal record removes a snapshot in an unknown way");
  return RemoveOp{{disk.epoch.get()}, static_cast<SnapStore::Keep>(keep)};
}

Result<Operation> decode_step_down(Unpacker& body) {
  const auto disk = DD_TRY(body.take<StepDownDisk>());
  if (disk.rung.get() > static_cast<std::uint32_t>(Rung::kTrackingOnly))
    return fail(ErrorCode::kDamaged, "a journal record steps down to an unknown rung");
  StepDownOp op;
  op.to.rung = static_cast<Rung>(disk.rung.get());
  op.to.why = DD_TRY(unpack_text(disk.why));
  return op;
}

Result<Operation> decode_settings(Unpacker& body) {
  const auto disk = DD_TRY(body.take<SettingsDisk>());
  SetSettingsOp op;
  if (disk.on_failure.get() > static_cast<std::uint32_t>(OnStoreFailure::kOriginStops))
    return fail(ErrorCode::kDamaged, "a journal record sets an unknown policy");
  op.settings.on_failure = static_cast<OnStoreFailure>(disk.on_failure.get());
  for (std::size_t i = 0; i < op.settings.warn_percent.size(); ++i) {
    if (disk.warn_percent[i].get() > 100)
      return fail(ErrorCode::kDamaged, "a journal record sets an impossible share");
    op.settings.warn_percent[i] = static_cast<std::uint8_t>(disk.warn_percent[i].get());
  }
  return op;
}

Result<Operation> decode_body(OpType type, Unpacker& body) {
  switch (type) {
    case OpType::kCopiedOut: {
      const auto epochs = DD_TRY(body.take<EpochPairDisk>());
      return CopiedOutOp {
        {epochs.first.get()}, {epochs.second.get()}, DD_TRY(take_exceptions(body))
      };
    }
    case OpType::kChanged: {
      ChangedOp op{{DD_TRY(body.take<le64>()).get()}, {}};
      while (!body.is_at_end())
        op.chunks.push_back({
          DD_TRY(body.take<le32>())
          .get()
        });
      return op;
    }
    case OpType::kPrivate: {
      const Epoch snapshot {
        DD_TRY(body.take<le64>())
        .get()
      };
      return PrivateOp {
        snapshot, DD_TRY(take_exceptions(body))
      };
    }
    case OpType::kCreate:
      return decode_create(body);
    case OpType::kRemove:
      return decode_remove(DD_TRY(body.take<EpochValueDisk>()));
    case OpType::kMarkDropping:
      return MarkDroppingOp{{DD_TRY(body.take<EpochValueDisk>()).epoch.get()}};
    case OpType::kSetPriority: {
      const auto disk = DD_TRY(body.take<EpochValueDisk>());
      return SetPriorityOp{{disk.epoch.get()}, static_cast<std::int8_t>(disk.value.get())};
    }
    case OpType::kSetUseCount: {
      const auto disk = DD_TRY(body.take<EpochValueDisk>());
      return SetUseCountOp{{disk.epoch.get()}, disk.value.get()};
    }
    case OpType::kAttach:
      return decode_attach(body);
    case OpType::kDetach:
      return DetachOp {
        DD_TRY(body.take<le32>())
        .get()
      };
    case OpType::kResizeOrigin:
      return ResizeOriginOp {
        DD_TRY(body.take<le64>())
        .get()
      };
    case OpType::kStepDown:
      return decode_step_down(body);
    case OpType::kSetSettings:
      return decode_settings(body);
    case OpType::kLoseTrack: {
      const auto boundary = DD_TRY(body.take<le64>());
      return LoseTrackOp{{boundary.get()}};
    }
    case OpType::kSealOrigin: {
      const auto digest = DD_TRY(body.take<le64>());
      return SealOriginOp{digest.get()};
    }
  }
  return fail(ErrorCode::kDamaged,
              fmt::format("unknown journal operation {}", static_cast<unsigned>(type)));
}

}  // namespace

void encode_operation(const Operation& operation, std::vector<std::byte>& out) {
  const std::size_t header_at = out.size();
  pack(OpHeaderDisk{}, out);
  const OpType type = std::visit(Encoder{out}, operation);
  const OpHeaderDisk header{
      static_cast<std::uint16_t>(type), 0,
      static_cast<std::uint32_t>(out.size() - header_at - sizeof(OpHeaderDisk))};
  std::memcpy(out.data() + header_at, &header, sizeof header);
}

Result<std::vector<Operation>> decode_operations(std::span<const std::byte> bytes) {
  std::vector<Operation> operations;
  Unpacker all(bytes);
  while (!all.is_at_end()) {
    const auto header = DD_TRY(all.take<OpHeaderDisk>());
    Unpacker body(DD_TRY(all.take_bytes(header.body_bytes.get())));
    operations.push_back(DD_TRY(decode_body(static_cast<OpType>(header.type.get()), body)));
    if (!body.is_at_end())
      return fail(ErrorCode::kDamaged, "a journal operation is longer than it may be");
  }
  return operations;
}

}  // namespace ddsnap

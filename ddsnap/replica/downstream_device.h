// A bare device or file as the end of a stream: apply_delta(), and what is remembered beside it.
//
// Errors    As Downstream.
#pragma once

#include "ddsnap/replica/downstream.h"

namespace ddsnap {

class DownstreamDevice final : public Downstream {
 public:
  static Result<std::unique_ptr<Downstream>> open(const std::string& name);

  const std::string& name() const override { return name_; }
  bool is_volume() const override { return false; }
  Result<ChunkGeometry> geometry() override;
  Result<std::vector<HeldSnapshot>> held() override;
  Result<std::optional<ReceivePoint>> point() override;
  Result<std::unique_ptr<BlockDevice>> open_present() override;
  Result<std::unique_ptr<BlockDevice>> open_snapshot(const Uuid& uuid) override;
  Result<ReceiveReport> receive(ByteSource& source, const ReceiveOptions& options,
                                WorkContext& context) override;

 private:
  explicit DownstreamDevice(std::string name) : name_(std::move(name)) {}
  const std::string name_;
};

}  // namespace ddsnap

// list_backends(): how each implementation is made for the conformance suite.
#include "tests/support/device_backends.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/nbd_device.h"
#include "tests/support/captive_nbdkit.h"
#include "tests/support/fault_device.h"
#include "tests/support/loop_device.h"
#include "tests/support/memory_device.h"
#include "tests/support/sim_device.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {

namespace {

using Caching = FileOptions::Caching;
using SubjectResult = Result<std::unique_ptr<Subject>>;

constexpr std::uint64_t kWholeBytes = 2 << 20;
constexpr std::uint64_t kPartialBytes = kWholeBytes + 4096 + 100;

void make_file(const std::string& path, std::uint64_t size_bytes) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, size_bytes);
}

class FileSubject final : public Subject {
 public:
  BlockDevice& device() override { return *device_; }

  Result<BlockDevice*> read_only_device() override {
    FileOptions options = options_;
    options.access = DeviceAccess::kReadOnly;
    read_only_ = DD_TRY(FileDevice::open(device_->name(), options));
    return read_only_.get();
  }

  static SubjectResult make(Caching caching, IoEngineKind engine, std::uint64_t size_bytes) {
    auto subject = std::make_unique<FileSubject>();
    make_file(subject->file_, size_bytes);
    DD_TRY(subject->open(subject->file_, caching, engine));
    return subject;
  }

  static SubjectResult make_loop(Caching caching, IoEngineKind engine, unsigned sector_bytes) {
    auto subject = std::make_unique<FileSubject>();
    make_file(subject->file_, kWholeBytes);
    subject->loop_ = DD_TRY(LoopDevice::attach(subject->file_, sector_bytes));
    DD_TRY(subject->open(subject->loop_->path(), caching, engine));
    return subject;
  }

 private:
  Status open(const std::string& path, Caching caching, IoEngineKind engine) {
    options_ = {.access = DeviceAccess::kReadWrite, .caching = caching, .engine = engine};
    device_ = DD_TRY(FileDevice::open(path, options_));
    return {};
  }

  TempDir directory_;
  const std::string file_ = directory_.file("disk");
  std::unique_ptr<LoopDevice> loop_;
  FileOptions options_;
  std::unique_ptr<FileDevice> device_, read_only_;
};

class NbdSubject final : public Subject {
 public:
  BlockDevice& device() override { return *device_; }

  Result<BlockDevice*> read_only_device() override {
    read_only_ = DD_TRY(NbdDevice::open(nbdkit_->uri(), DeviceAccess::kReadOnly));
    return read_only_.get();
  }

  // A file named "disk" stands in the directory; "@" in an argument is replaced by its path.
  static SubjectResult make(std::vector<std::string> arguments) {
    if (!CaptiveNbdkit::is_installed()) return fail(ErrorCode::kFailed, "nbdkit is not installed");
    auto subject = std::make_unique<NbdSubject>();
    const std::string file = subject->directory_.file("disk");
    make_file(file, kPartialBytes);
    for (std::string& argument : arguments)
      if (argument == "@") argument = file;
    subject->nbdkit_ = DD_TRY(CaptiveNbdkit::start(arguments));
    subject->device_ = DD_TRY(NbdDevice::open(subject->nbdkit_->uri(), DeviceAccess::kReadWrite));
    return subject;
  }

 private:
  TempDir directory_;
  std::unique_ptr<CaptiveNbdkit> nbdkit_;
  std::unique_ptr<NbdDevice> device_, read_only_;
};

class MemorySubject final : public Subject {
 public:
  explicit MemorySubject(const DeviceGeometry& geometry) : memory_(geometry) {}
  BlockDevice& device() override { return memory_; }
  Result<BlockDevice*> read_only_device() override {
    memory_.set_read_only(true);
    return &memory_;
  }

 private:
  MemoryDevice memory_;
};

class SimSubject final : public Subject {
 public:
  BlockDevice& device() override { return device_; }

 private:
  SimWorld world_{1};
  SimDevice& device_ = world_.add_device("disk", {.size_bytes = kPartialBytes});
};

template <class Wrapper>
class WrapperSubject final : public Subject {
 public:
  BlockDevice& device() override { return wrapper_; }
  Result<BlockDevice*> read_only_device() override {
    memory_.set_read_only(true);
    return &wrapper_;
  }

 private:
  MemoryDevice memory_{kPartialBytes};
  Wrapper wrapper_{memory_};
};

void add_file_backends(std::vector<Backend>& all) {
  constexpr std::pair<const char*, Caching> kCachings[] = {{"Buffered", Caching::kBuffered},
                                                           {"Direct", Caching::kDirect}};
  constexpr std::pair<const char*, IoEngineKind> kEngines[] = {{"Sync", IoEngineKind::kSync},
                                                               {"Uring", IoEngineKind::kUring},
                                                               {"Threads", IoEngineKind::kThreads}};
  for (const auto& [caching_name, caching] : kCachings) {
    for (const auto& [engine_name, engine] : kEngines) {
      const std::string suffix = std::string(caching_name) + engine_name;
      const bool is_concurrent = engine != IoEngineKind::kUring;
      all.push_back({"File" + suffix, is_concurrent, true, [caching, engine] {
                       return FileSubject::make(caching, engine, kPartialBytes);
                     }});
      all.push_back({"Loop" + suffix, is_concurrent, false,
                     [caching, engine] { return FileSubject::make_loop(caching, engine, 512); }});
    }
  }
  all.push_back({"LoopDirect4k", false, false, [] {
                   return FileSubject::make_loop(Caching::kDirect, IoEngineKind::kUring, 4096);
                 }});
}

}  // namespace

std::vector<Backend> list_backends() {
  std::vector<Backend> all;
  add_file_backends(all);
  all.push_back({"NbdMemory", false, false, [] { return NbdSubject::make({"memory", "2M"}); }});
  all.push_back({"NbdFile", false, true, [] { return NbdSubject::make({"file", "@"}); }});
  all.push_back({"NbdFileBlocks", false, false, [] {
                   return NbdSubject::make({"--filter=blocksize-policy", "memory", "2M",
                                            "blocksize-minimum=512", "blocksize-preferred=4096",
                                            "blocksize-maximum=65536",
                                            "blocksize-error-policy=error"});
                 }});
  all.push_back({"Memory", true, true, []() -> SubjectResult {
                   return std::make_unique<MemorySubject>(
                       DeviceGeometry{.size_bytes = kPartialBytes});
                 }});
  all.push_back({"Memory4k", true, true, []() -> SubjectResult {
                   return std::make_unique<MemorySubject>(DeviceGeometry{
                       .size_bytes = kPartialBytes, .block_bytes = 4096, .physical_bytes = 4096});
                 }});
  all.push_back(
      {"Sim", true, true, []() -> SubjectResult { return std::make_unique<SimSubject>(); }});
  all.push_back({"Fault", true, true, []() -> SubjectResult {
                   return std::make_unique<WrapperSubject<FaultDevice>>();
                 }});
  all.push_back({"Trace", true, true, []() -> SubjectResult {
                   return std::make_unique<WrapperSubject<TraceDevice>>();
                 }});
  return all;
}

}  // namespace ddsnap::test

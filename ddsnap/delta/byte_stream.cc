#include "ddsnap/delta/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/delta/atomic_file.h"

namespace ddsnap {

namespace {

class AtomicFileSink final : public ByteSink {
 public:
  explicit AtomicFileSink(AtomicFile file) : file_(std::move(file)) {}
  Status write(std::span<const std::byte> bytes) override { return file_.write(bytes); }
  Status finish() override { return file_.commit(); }

 private:
  AtomicFile file_;
};

// A pipe, a terminal, standard output: what has no name to take and cannot be made durable.
class FdSink final : public ByteSink {
 public:
  FdSink(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  Status write(std::span<const std::byte> bytes) override {
    return write_fully(fd_.get(), bytes, name_);
  }
  // EINVAL is how pipes and terminals say that there is nothing to sync.
  Status finish() override {
    if (::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
      return fail_errno("cannot sync", name_);
    return {};
  }

 private:
  UniqueFd fd_;
  std::string name_;
};

class FdSource final : public ByteSource {
 public:
  FdSource(UniqueFd fd, std::string name, const Interruption* interruption = nullptr)
      : fd_(std::move(fd)), name_(std::move(name)), interruption_(interruption) {
    struct stat facts{};
    if (::fstat(fd_.get(), &facts) == 0 && (S_ISREG(facts.st_mode) || S_ISBLK(facts.st_mode)))
      start_bytes_ = ::lseek(fd_.get(), 0, SEEK_CUR);
  }

  Result<std::size_t> read(std::span<std::byte> into) override {
    for (;;) {
      if (interruption_ != nullptr && !can_rewind())
        DD_TRY(interruption_->wait_readable(fd_.get()));
      const ssize_t got = ::read(fd_.get(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail_errno("cannot read", name_);
    }
  }

  bool can_rewind() const override { return start_bytes_ >= 0; }

  Status rewind() override { return seek_to(0); }

  Status seek_to(std::uint64_t offset_bytes) override {
    const off_t place = start_bytes_ + static_cast<off_t>(offset_bytes);
    if (!can_rewind() || ::lseek(fd_.get(), place, SEEK_SET) < 0)
      return fail(ErrorCode::kUsage, fmt::format("{} cannot be read twice", name_));
    return {};
  }

  const std::string& name() const override { return name_; }

 private:
  UniqueFd fd_;
  std::string name_;
  const Interruption* const interruption_;
  off_t start_bytes_ = -1;
};

Result<UniqueFd> duplicate(int fd, const std::string& name) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("cannot use", name);
  return copy;
}

bool is_special(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode);
}

}  // namespace

Status ByteSource::seek_to(std::uint64_t) {
  return fail(ErrorCode::kUsage, fmt::format("{} cannot be read out of order", name()));
}

Status read_fully(ByteSource& source, std::span<std::byte> into) {
  while (!into.empty()) {
    const std::size_t got = DD_TRY(source.read(into));
    if (got == 0) return fail(ErrorCode::kDamaged, fmt::format("{} ends early", source.name()));
    into = into.subspan(got);
  }
  return {};
}

Result<std::vector<std::byte>> read_section(ByteSource& source, std::uint64_t length_bytes) {
  std::vector<std::byte> bytes;
  while (bytes.size() < length_bytes) {
    const std::size_t have = bytes.size();
    bytes.resize(have + std::min<std::uint64_t>(length_bytes - have, kReadPieceBytes));
    DD_TRY(read_fully(source, std::span(bytes).subspan(have)));
  }
  return bytes;
}

Status expect_end(ByteSource& source) {
  std::byte one{};
  const std::size_t got = DD_TRY(source.read(std::span(&one, 1)));
  if (got == 0) return {};
  return fail(ErrorCode::kDamaged, fmt::format("{} goes on after its end", source.name()));
}

Result<std::unique_ptr<ByteSink>> open_sink(const std::string& path) {
  if (path == "-") {
    UniqueFd fd = DD_TRY(duplicate(STDOUT_FILENO, "standard output"));
    return std::make_unique<FdSink>(std::move(fd), "standard output");
  }
  if (is_special(path)) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail_errno("cannot open", path);
    return std::make_unique<FdSink>(std::move(fd), path);
  }
  AtomicFile file = DD_TRY(AtomicFile::create(path));
  return std::make_unique<AtomicFileSink>(std::move(file));
}

Result<std::unique_ptr<ByteSource>> open_source(const std::string& path,
                                                const Interruption* interruption) {
  if (path == "-") {
    UniqueFd fd = DD_TRY(duplicate(STDIN_FILENO, "standard input"));
    return std::make_unique<FdSource>(std::move(fd), "standard input", interruption);
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", path);
  return std::make_unique<FdSource>(std::move(fd), path, interruption);
}

Result<std::unique_ptr<ByteSource>> make_rewindable(std::unique_ptr<ByteSource> source,
                                                    const std::string& near_path) {
  if (source->can_rewind()) return source;
  const std::string folder =
      near_path == "-" || is_special(near_path) ? "/var/tmp" : folder_of(near_path);
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("cannot make a temporary file in", folder);
  std::vector<std::byte> piece(kReadPieceBytes);
  while (const std::size_t got = DD_TRY(source->read(piece)))
    DD_TRY(write_fully(fd.get(), std::span(piece).first(got), folder));
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return fail_errno("cannot read in", folder);
  return std::make_unique<FdSource>(std::move(fd), source->name());
}

Status MemorySink::write(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<std::size_t> MemorySource::read(std::span<std::byte> into) {
  const std::size_t take = std::min(into.size(), bytes_.size() - at_);
  if (take > 0) std::memcpy(into.data(), bytes_.data() + at_, take);
  at_ += take;
  return take;
}

Status MemorySource::rewind() {
  return seek_to(0);
}

Status MemorySource::seek_to(std::uint64_t offset_bytes) {
  if (!can_rewind_) return fail(ErrorCode::kUsage, "a pipe cannot be read twice");
  at_ = std::min<std::uint64_t>(offset_bytes, bytes_.size());
  return {};
}

}  // namespace ddsnap

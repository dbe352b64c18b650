#include "ddsnap/replica/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/filesystem.hpp>
#include <cerrno>
#include <span>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/delta/atomic_file.h"

namespace ddsnap {

Result<std::string> read_text_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", path);
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read", path);
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > kMaxTextFileBytes)
      return fail(ErrorCode::kDamaged, path + ": far too long for what it should be");
  }
}

Status write_text_file(const std::string& path, const std::string& text) {
  AtomicFile file = DD_TRY(AtomicFile::create(path));
  DD_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status make_folder(const std::string& path) {
  boost::system::error_code error;
  boost::filesystem::create_directories(path, error);
  if (error) return fail_errno("cannot make", path, error.value());
  return {};
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("cannot remove", path);
  return {};
}

}  // namespace ddsnap

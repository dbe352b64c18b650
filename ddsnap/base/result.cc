#include "ddsnap/base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ddsnap {

namespace {

ErrorCode code_of_errno(int sys_errno) {
  switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case ENOENT:
      return ErrorCode::kNotFound;
    case EBUSY:
    case EAGAIN:
      return ErrorCode::kBusy;
    default:
      return ErrorCode::kIo;
  }
}

std::string errno_text(int sys_errno) {
  char buffer[128];
  return strerror_r(sys_errno, buffer, sizeof buffer);
}

}  // namespace

std::string Error::message() const {
  if (sys_errno == 0) return text;
  return text + ": " + errno_text(sys_errno);
}

std::unexpected<Error> fail(ErrorCode code, std::string text) {
  return std::unexpected(Error{.code = code, .sys_errno = 0, .text = std::move(text)});
}

std::unexpected<Error> fail_errno(std::string_view what, std::string_view name, int sys_errno) {
  std::string text(what);
  text.append(" ").append(name);
  return std::unexpected(
      Error{.code = code_of_errno(sys_errno), .sys_errno = sys_errno, .text = std::move(text)});
}

std::unexpected<Error> fail_errno(std::string_view what, std::string_view name) {
  return fail_errno(what, name, errno);
}

std::unexpected<Error> with_context(std::string_view context, Error error) {
  error.text.insert(0, ": ").insert(0, context);
  return std::unexpected(std::move(error));
}

int exit_status(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kDamaged:
      return 3;
    case ErrorCode::kNotFound:
      return 4;
    case ErrorCode::kBusy:
      return 5;
    case ErrorCode::kInterrupted:
      return 130;
    default:
      return 1;
  }
}

void check_failed(const char* expression, std::source_location where) {
  std::fprintf(stderr, "ddsnap: internal error: %s:%u: %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), expression);
  std::abort();
}

}  // namespace ddsnap

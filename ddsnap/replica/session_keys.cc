#include "ddsnap/replica/session_keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/filesystem.hpp>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/byte_stream.h"

namespace ddsnap {

namespace {

namespace fs = boost::filesystem;
using Digest = std::array<unsigned char, kSessionKeyBytes>;

constexpr std::size_t kIdentityBytes = 16;
constexpr std::string_view kIdentitySalt = "ddsnap: which key";
constexpr const char* kKeyEnding = ".key";

std::unexpected<Error> bad_key(const std::string& path, const std::string& what) {
  return fail(ErrorCode::kUsage, fmt::format("{}: {}", path, what));
}

Result<std::string> read_text(const std::string& path) {
  const auto source = DD_TRY(open_source(path));
  std::string text(kMaxKeyFileBytes + 1, '\0');
  std::size_t have = 0;
  for (std::size_t got = 1; got > 0 && have < text.size(); have += got)
    got = DD_TRY(source->read(std::as_writable_bytes(std::span(text).subspan(have))));
  if (have > kMaxKeyFileBytes) return bad_key(path, "too long for a key");
  text.resize(have);
  constexpr const char* kBlanks = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kBlanks), text.size()));
  text.erase(text.find_last_not_of(kBlanks) + 1);
  return text;
}

Result<Digest> sha256(std::string_view text) {
  Digest digest{};
  if (::EVP_Digest(text.data(), text.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr) != 1)
    return fail(ErrorCode::kFailed, "OpenSSL: SHA-256 is not to be had");
  return digest;
}

}  // namespace

Status check_private(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return fail_errno("cannot read", path);
  if (!S_ISREG(facts.st_mode)) return bad_key(path, "not a file");
  if ((facts.st_mode & 077) == 0) return {};
  return bad_key(path, "others may read or write this key; chmod 600 it");
}

Result<SessionKey> SessionKey::read(const std::string& path) {
  DD_TRY(check_private(path));
  const std::string text = DD_TRY(read_text(path));
  if (text.size() < kMinKeyCharacters)
    return bad_key(path,
                   fmt::format("a key has at least {} characters, as of 'openssl rand -hex 32'",
                               kMinKeyCharacters));
  SessionKey key {
    .bytes = DD_TRY(sha256(text))
  };
  std::string salted(kIdentitySalt);
  salted.append(key.bytes.begin(), key.bytes.end());
  const Digest digest = DD_TRY(sha256(salted));
  for (std::size_t i = 0; i < kIdentityBytes; ++i) key.identity += fmt::format("{:02x}", digest[i]);
  return key;
}

Result<KeyRing> KeyRing::of_file(const std::string& path) {
  KeyRing ring;
  SessionKey key = DD_TRY(SessionKey::read(path));
  const std::string identity = key.identity;
  ring.senders_.emplace(identity, KnownSender{.key = std::move(key)});
  return ring;
}

Result<KeyRing> KeyRing::of_folder(const std::string& path) {
  KeyRing ring;
  boost::system::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    boost::system::error_code ignored;
    if (fs::is_directory(at->path(), ignored))
      DD_TRY(ring.take_folder(at->path().string(), at->path().filename().string()));
  }
  if (error) return fail_errno("cannot list", path, error.value());
  DD_TRY(ring.take_folder(path, ""));
  if (ring.senders_.empty()) return bad_key(path, "holds no file NAME.key");
  return ring;
}

// Of no volume: the senders may write all, whatever else was said of them.
Status KeyRing::take_folder(const std::string& path, const std::string& volume) {
  boost::system::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const fs::path file = at->path();
    boost::system::error_code ignored;
    if (file.extension() != kKeyEnding || fs::is_directory(file, ignored)) continue;
    SessionKey key = DD_TRY(SessionKey::read(file.string()));
    const std::string name = (volume.empty() ? "" : volume + "/") + file.stem().string();
    KnownSender& sender = senders_[key.identity];
    sender.name += (sender.name.empty() ? "" : ", ") + name;
    if (volume.empty())
      sender.volumes.clear();
    else
      sender.volumes.insert(volume);
    sender.key = std::move(key);
  }
  if (error) return fail_errno("cannot list", path, error.value());
  return {};
}

const KnownSender* KeyRing::find(std::string_view identity) const {
  const auto found = senders_.find(identity);
  return found == senders_.end() ? nullptr : &found->second;
}

}  // namespace ddsnap

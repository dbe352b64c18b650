// The pre-shared keys of sessions: what a key file stands for, and which sender has which.
//
//     FOLDER/office.key         'office' may write each volume of the listener
//     FOLDER/vol0/branch.key    'vol0/branch' may write vol0; the same key in several folders, each
//                               of their volumes
//
// Shape     The key is SHA-256 of what the file holds, blanks at its ends cut off. It is called by
// an
//           identity that follows from it and tells nothing else of it, so that a listener with
//           many keys knows which one is meant, and a sender needs no name.
// Errors    kUsage for a file that is no key, or that others may read, and a folder without any.
// Threads   Plain values.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "ddsnap/base/result.h"

namespace ddsnap {

inline constexpr std::size_t kSessionKeyBytes = 32;

struct SessionKey {
  std::array<unsigned char, kSessionKeyBytes> bytes{};
  std::string identity;

  static Result<SessionKey> read(const std::string& path);
};

struct KnownSender {
  SessionKey key;
  std::string name;               // as its files are called; of a single key file: empty
  std::set<std::string> volumes;  // that it may write; empty: all
  bool may_write(const std::string& volume) const {
    return volumes.empty() || volumes.contains(volume);
  }
};

class KeyRing {
 public:
  static Result<KeyRing> of_file(const std::string& path);
  static Result<KeyRing> of_folder(const std::string& path);

  // Null: nobody's. Lives as long as this.
  const KnownSender* find(std::string_view identity) const;

 private:
  Status take_folder(const std::string& path, const std::string& volume);

  std::map<std::string, KnownSender, std::less<>> senders_;  // by identity
};

// Whoever may read the file may write the volume. kUsage.
Status check_private(const std::string& path);

}  // namespace ddsnap

// Unix stream sockets, by path or by abstract name ('@' first).
//
// Errors    connect_socket: kNotFound (no such path or name), kDisconnected (nobody listens any
// more), kBusy (timeout), kIo. ListeningSocket::open: kBusy while a living daemon listens there,
// kExists where the path is no socket, kUsage for an address that is too long or empty.
// Threads   Plain functions; a ListeningSocket is used by one thread at a time.
// Lifetime  Every socket is close-on-exec. A ListeningSocket removes its file at the end, unless
// the path has meanwhile become somebody else's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

// Blocking sockets; waits at most so long for a listener whose queue is full.
Result<UniqueFd> connect_socket(const std::string& address, std::uint64_t timeout_ms);

// The user that made the other end (SO_PEERCRED).
Result<uid_t> peer_uid(int socket_fd);
// kFailed unless the other end belongs to our own user or to root. Both sides ask: anyone may bind
// an abstract name.
Status check_peer(int socket_fd);

class ListeningSocket {
 public:
  // Mode 0600 from the first instant. A file that a dead daemon left is replaced; two daemons that
  // start at once cannot both win, since the directory is locked meanwhile.
  static Result<ListeningSocket> open(const std::string& address);
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&& other) noexcept;
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  const std::string& address() const { return address_; }
  // kBusy when nobody waits to be accepted and the socket is non-blocking. The peer is not yet
  // checked.
  Result<UniqueFd> accept();
  Status set_nonblocking();

 private:
  ListeningSocket() = default;
  void remove_file();

  UniqueFd fd_;
  std::string address_;
  dev_t device_ = 0;  // of the socket's file, to know it again
  ino_t inode_ = 0;
};

// Two connected ends, for tests.
struct SocketPair {
  UniqueFd first;
  UniqueFd second;
};
Result<SocketPair> make_socket_pair();

}  // namespace ddsnap

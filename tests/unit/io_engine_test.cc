// Shows of each engine: batches far larger than the queue, a request beyond the end of the file
// fails alone and with a sentence, and that io_uring's absence is survived: in a process where
// seccomp refuses io_uring_setup, kUring works all the same.

#include "ddsnap/io/io_engine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/io/uring_engine.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kPieceBytes = 512;

class IoEngineTest : public ::testing::TestWithParam<IoEngineKind> {
 protected:
  TempDir directory_;
  const std::string name_ = directory_.file("file");
  const UniqueFd fd_{::open(name_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)};
};

std::vector<IoRequest> cut(std::span<std::byte> memory, IoRequest::Kind kind) {
  std::vector<IoRequest> requests;
  for (std::size_t at = 0; at < memory.size(); at += kPieceBytes)
    requests.push_back({kind, at, memory.data() + at, kPieceBytes, {}});
  return requests;
}

bool all_succeeded(const std::vector<IoRequest>& requests) {
  for (const IoRequest& request : requests)
    if (!request.status) return false;
  return true;
}

// Writes and reads back more than the queue holds, several times over.
bool works(IoEngine& engine, const IoFile& file) {
  std::vector<std::byte> data(kPieceBytes * (5 * kIoQueueDepth + 3)), back(data.size());
  SeededRandom(1).fill(data);
  auto writes = cut(data, IoRequest::Kind::kWrite);
  auto reads = cut(back, IoRequest::Kind::kRead);
  engine.run(file, writes);
  engine.run(file, reads);
  return all_succeeded(writes) && all_succeeded(reads) && back == data;
}

TEST_P(IoEngineTest, BatchLargerThanTheQueue) {
  const auto engine = make_io_engine(GetParam());
  EXPECT_TRUE(works(*engine, {fd_.get(), name_}));
  EXPECT_TRUE(works(*engine, {fd_.get(), name_}));
}

TEST_P(IoEngineTest, BeyondTheEndFailsAlone) {
  ASSERT_EQ(::ftruncate(fd_.get(), 3 * kPieceBytes / 2), 0);
  const auto engine = make_io_engine(GetParam());
  std::vector<std::byte> memory(3 * kPieceBytes);
  auto reads = cut(memory, IoRequest::Kind::kRead);
  engine->run({fd_.get(), name_}, reads);
  EXPECT_TRUE(reads[0].status);
  for (const std::size_t beyond : {1, 2}) {
    ASSERT_FALSE(reads[beyond].status);
    EXPECT_EQ(reads[beyond].status.error().code, ErrorCode::kIo);
    EXPECT_NE(reads[beyond].status.error().text.find(name_), std::string::npos);
  }
}

TEST_P(IoEngineTest, ErrnoReachesTheRequest) {
  const UniqueFd read_only(::open(name_.c_str(), O_RDONLY | O_CLOEXEC));
  const auto engine = make_io_engine(GetParam());
  std::vector<std::byte> memory(2 * kPieceBytes);
  auto writes = cut(memory, IoRequest::Kind::kWrite);
  engine->run({read_only.get(), name_}, writes);
  for (const IoRequest& request : writes) {
    ASSERT_FALSE(request.status);
    EXPECT_EQ(request.status.error().sys_errno, EBADF);
  }
}

TEST_P(IoEngineTest, SeveralThreadsAtOnce) {
  const auto engine = make_io_engine(GetParam());
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        const std::string name = directory_.file("file" + std::to_string(i));
        const UniqueFd fd(::open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
        if (!works(*engine, {fd.get(), name})) ++failures;
      });
  }
  EXPECT_EQ(failures, 0);
}

TEST_P(IoEngineTest, EmptyBatch) {
  make_io_engine(GetParam())->run({fd_.get(), name_}, {});
}

std::string engine_name(const ::testing::TestParamInfo<IoEngineKind>& info) {
  constexpr const char* kNames[] = {"Sync", "Uring", "Threads"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(All, IoEngineTest,
                         ::testing::Values(IoEngineKind::kSync, IoEngineKind::kUring,
                                           IoEngineKind::kThreads),
                         engine_name);

// io_uring_setup fails with EPERM from now on, as under Docker's default profile.
bool forbid_io_uring() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = 4, .filter = rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum : int { kWorks = 0, kNoSeccomp = 10, kNotForbidden, kBroken };

TEST(IoEngine, WithoutIoUringThePoolStepsIn) {
  const TempDir directory;
  const std::string name = directory.file("file");
  const UniqueFd fd(::open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!forbid_io_uring()) ::_exit(kNoSeccomp);
    if (UringEngine::make()) ::_exit(kNotForbidden);
    const bool works_anyway = works(*make_io_engine(IoEngineKind::kUring), {fd.get(), name});
    ::_exit(works_anyway ? kWorks : kBroken);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoSeccomp) GTEST_SKIP() << "seccomp is not to be had here";
  EXPECT_EQ(WEXITSTATUS(status), kWorks);
}

}  // namespace
}  // namespace ddsnap::test

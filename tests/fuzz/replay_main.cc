// The driver of a fuzz target where there is no libFuzzer: replays files, then edits of them.
//
//   TARGET [--runs N] [--seed N] FILE|FOLDER...    each file once, then N edited ones
//   TARGET --write-seeds FOLDER                    writes the target's seeds there
//
// What an edit is comes from the printed seed; the input that ends the program is left in
// ./crash-TARGET.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ddsnap/base/random.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace ddsnap::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxEdits = 6;
constexpr std::size_t kMaxInputBytes = 64 << 10;

Bytes read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

std::vector<Bytes> read_all(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> inputs;
  for (const fs::path& file : files) inputs.push_back(read_file(file));
  return inputs;
}

std::ptrdiff_t place_in(const Bytes& bytes, RandomSource& random) {
  return static_cast<std::ptrdiff_t>(random.below(bytes.size() + 1));
}

void edit_once(Bytes& bytes, const std::vector<Bytes>& others, RandomSource& random) {
  static constexpr std::uint8_t kTelling[] = {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff};
  const std::ptrdiff_t at = place_in(bytes, random);
  const std::size_t left = bytes.size() - static_cast<std::size_t>(at);
  const std::size_t some = std::min<std::size_t>(left, random.below(16));
  const auto here = bytes.begin() + at;
  switch (random.below(6)) {
    case 0:
      if (left > 0) *here ^= static_cast<std::byte>(1u << random.below(8));
      break;
    case 1:
      std::fill_n(here, some, static_cast<std::byte>(kTelling[random.below(std::size(kTelling))]));
      break;
    case 2: {
      Bytes fresh(random.below(9));
      random.fill(fresh);
      bytes.insert(here, fresh.begin(), fresh.end());
      break;
    }
    case 3:
      bytes.erase(here, here + static_cast<std::ptrdiff_t>(some));
      break;
    case 4: {
      const Bytes& other = others[random.below(others.size())];
      const std::ptrdiff_t from = place_in(other, random);
      bytes.insert(here, other.begin() + from, other.end());
      break;
    }
    default:
      if (random.below(8) == 0) bytes.erase(here, bytes.end());
      break;
  }
  if (bytes.size() > kMaxInputBytes) bytes.resize(kMaxInputBytes);
}

// For the handler of the signal that ends the program.
Bytes current;
std::string crash_path;

void keep_current(int signal) {
  write_file(crash_path, current);
  std::fprintf(stderr, "ended by signal %d: the input is in %s\n", signal, crash_path.c_str());
  std::_Exit(1);
}

void run(Bytes input) {
  current = std::move(input);
  run_one(current);
}

int replay(const std::vector<std::string>& paths, std::uint64_t runs, std::uint64_t seed) {
  const std::vector<Bytes> inputs = read_all(paths);
  for (const Bytes& input : inputs) run(input);
  run({});
  SeededRandom random(seed);
  for (std::uint64_t i = 0; i < runs && !inputs.empty(); ++i) {
    Bytes input = inputs[random.below(inputs.size())];
    for (std::uint64_t edit = random.below(kMaxEdits) + 1; edit > 0; --edit)
      edit_once(input, inputs, random);
    run(std::move(input));
  }
  std::printf("%zu inputs and %llu edits of them (seed %llu)\n", inputs.size(),
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed));
  return inputs.empty() ? 1 : 0;
}

int write_seeds(const fs::path& folder) {
  fs::create_directories(folder);
  for (const Seed& seed : make_seeds()) write_file(folder / seed.name, seed.bytes);
  return 0;
}

}  // namespace
}  // namespace ddsnap::fuzz

int main(int argc, char** argv) {
  using namespace ddsnap::fuzz;
  LLVMFuzzerInitialize(&argc, &argv);
  std::vector<std::string> paths;
  std::uint64_t runs = 0;
  std::uint64_t seed = 20060825;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--runs" && has_value) {
      runs = std::stoull(argv[++i]);
    } else if (word == "--seed" && has_value) {
      seed = std::stoull(argv[++i]);
    } else if (word == "--write-seeds" && has_value) {
      return write_seeds(argv[++i]);
    } else {
      paths.push_back(word);
    }
  }
  crash_path = "crash-" + std::filesystem::path(argv[0]).filename().string();
  for (const int signal : {SIGABRT, SIGSEGV, SIGTRAP, SIGFPE, SIGBUS})
    std::signal(signal, keep_current);
  return replay(paths, runs, seed);
}

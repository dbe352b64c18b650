// What each fuzz target is: a function that any bytes must leave standing, and the seeds to begin
// with.
//
// Shape     One *_fuzz.cc a program. By clang with libFuzzer it searches (make fuzz); by any
//           compiler it replays files and some hundred edits of them (replay_main.cc, make test).
// Errors    What is promised and does not hold ends the program: must().
// Threads   One.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ddsnap::fuzz {

using Bytes = std::vector<std::byte>;

struct Seed {
  std::string name;
  Bytes bytes;
};

// Defined by each target.
void run_one(std::span<const std::byte> input);
std::vector<Seed> make_seeds();

void must(bool holds, const char* what);

// The bytes of a golden file's hexadecimal words; of a "NAME HEX" file, those of one line each.
std::vector<Seed> golden_seeds(const char* file_name);

}  // namespace ddsnap::fuzz

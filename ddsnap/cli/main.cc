// ddsnap, ddsnap-agent and ddsnapd: finds the verb, runs it, and turns what comes back into one
// line on stderr and an exit status.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/journal.h"
#include "ddsnap/base/result.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

namespace {

void print_help() {
  fmt::print(
      "Instant snapshots of a block device, and the difference between two of them.\n"
      "Usage: ddsnap VERB [--options] OBJECTS\n\nVerbs:\n");
  for (const Verb& verb : all_verbs())
    if (!verb.summary.empty()) fmt::print("  {:<14} {}\n", verb.name, verb.summary);
  fmt::print(
      "\n"
      "'ddsnap VERB --help' tells more, 'ddsnap --version' the version. A SERVER is a volume's "
      "name,\n"
      "or the path of its server's socket ('@name': an abstract one). A DEV is a path, nbd://...,\n"
      "nbd+unix://... or "
      "ddsnap:SERVER (the origin), ddsnap:SERVER#TAG (a snapshot). Sizes take K M G T.\n"
      "Exit status: 0 done, 1 failed, 2 usage, 3 damage found, 4 not found, 5 busy, 130 "
      "interrupted.\n");
}

// Texts come from devices, sockets and command lines too: nothing in them may break the line or
// drive the terminal.
std::string one_clean_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

// The program's own name may stand for a verb.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::string_view program = argc > 0 ? argv[0] : "";
  program.remove_prefix(program.rfind('/') + 1);
  if (program == "ddsnap-agent") words.insert(words.begin(), "agent");
  if (program == "ddsnapd") words.insert(words.begin(), "server");
  const bool has_two = words.size() >= 2 && !words[1].starts_with('-');
  if (has_two && (words[0] == "delta" || words[0] == "volume")) {
    words[1].insert(0, words[0] + " ");
    words.erase(words.begin());
  }
  return words;
}

Result<int> run(const std::vector<std::string>& words) {
  if (words.empty()) return fail(ErrorCode::kUsage, "no verb given; see 'ddsnap --help'");
  if (words[0] == "help" && words.size() > 1) return run({words[1], "--help"});
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help();
    return 0;
  }
  if (words[0] == "--version" || words[0] == "-V") {
    fmt::print("ddsnap {}\n", DDSNAP_VERSION);
    return 0;
  }
  const Verb* const verb = find_verb(words[0]);
  if (verb == nullptr)
    return fail(ErrorCode::kUsage,
                fmt::format("'{}' is not a verb; see 'ddsnap --help'", words[0]));
  return verb->run(Arguments(words).subspan(1));
}

// A full disk or closed pipe under stdout is a failure of the verb too.
Status flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return fail_errno("cannot write to", "standard output");
  return {};
}

int ddsnap_main(int argc, char** argv) {
  Result<int> status = run(words_of(argc, argv));
  if (status) {
    if (const Status flushed = flush_output(); !flushed) status = std::unexpected(flushed.error());
  }
  if (status) return *status;
  fmt::print(stderr, "{}ddsnap: {}\n",
             goes_to_journal(STDERR_FILENO) ? journal_prefix(LogLevel::kError) : "",
             one_clean_line(status.error().message()));
  return exit_status(status.error());
}

}  // namespace

}  // namespace ddsnap

int main(int argc, char** argv) {
  return ddsnap::ddsnap_main(argc, argv);
}

// The options and objects of one verb: declared, parsed and explained (--help) in one go.
//
// Shape     A thin face over CLI11, which stays inside the .cc file together with its exceptions. A
//           word of a dash and a digit ("-1") is an object, and so is "-" (stdin, stdout).
// Errors    parse(): kUsage with one sentence that ends in where to read more; as load_job_config()
//           where a volume is named whose configuration is wrong.
// Lifetime  Variables to fill are borrowed until parse() returns.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"

namespace ddsnap {

using Arguments = std::span<const std::string>;

enum class Need { kRequired, kOptional };

class ArgumentParser {
 public:
  // What the reader of --help sees first. Requires: all three live as long as the parser.
  struct Verb {
    const char* name;     // "create-cl", also in messages
    const char* usage;    // "SERVER FILE FROM TO"
    const char* summary;  // what it does, in a sentence
  };
  explicit ArgumentParser(const Verb& verb);
  ~ArgumentParser();
  ArgumentParser(const ArgumentParser&) = delete;
  ArgumentParser& operator=(const ArgumentParser&) = delete;

  // Objects, in the order of the calls. Optional ones keep the value they have.
  void object(const std::string& name, std::string& value, const std::string& help,
              Need need = Need::kRequired);
  void objects(const std::string& name, std::vector<std::string>& values, const std::string& help,
               Need need = Need::kRequired);

  // SERVER, or several: what parse() leaves is an address, whatever the user called it by
  // (server_address.h).
  void server(std::string& value);
  void servers(std::vector<std::string>& values, const std::string& help);
  // A device, which may be "ddsnap:" and such a name.
  void device(const std::string& name, std::string& value, Need need = Need::kRequired);
  // A volume's name, a socket, or a device.
  void volume_or_device(const std::string& name, std::string& value, const std::string& help,
                        Need need = Need::kRequired);
  void device_option(const std::string& names, std::string& value, const std::string& help);

  // `names` as "-y,--yes". Options that were not given leave their variable as it is.
  // --config DIR: where the configurations are that the objects' names are looked for in, too.
  void config_option(std::string& folder);
  void flag(const std::string& names, bool& value, const std::string& help);
  void text_option(const std::string& names, const std::string& value_name, std::string& value,
                   const std::string& help);
  // May be given several times, each with one value.
  void text_list_option(const std::string& names, const std::string& value_name,
                        std::vector<std::string>& values, const std::string& help);
  void size_option(const std::string& names, std::uint64_t& bytes, const std::string& help);
  void chunk_option(const std::string& names, unsigned& chunk_shift, const std::string& help);
  void number_option(const std::string& names, int lowest, int highest, int& value,
                     const std::string& help);
  // At most one of these, each by its long name ("--raw").
  void exclude_each_other(std::span<const char* const> names);
  // Whole lines after the list of options.
  void afterword(const std::string& text);

  // False: --help or --version was asked for and is printed, and nothing else is to be done.
  Result<bool> parse(Arguments arguments);

 private:
  void check_exclusive() const;  // throws as CLI11 does

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A whole number as an object, where options cannot be (its text may begin with '-'). kUsage.
Result<int> parse_number(const std::string& name, const std::string& text, int lowest, int highest);

}  // namespace ddsnap

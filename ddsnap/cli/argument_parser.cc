#include "ddsnap/cli/argument_parser.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <sstream>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/replica/server_address.h"

namespace ddsnap {

namespace {

// CLI11's help with our own usage line: the order of options that the documents use, and both forms
// of a verb that has two.
class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(34);
    label("Positionals", "Objects");
  }
  std::string make_usage(const CLI::App* /*app*/, std::string name) const override {
    return fmt::format("Usage: {} {}\n", name, usage_);
  }

 private:
  std::string usage_;
};

// Runs a parser of ours inside CLI11's, which reports by exceptions.
template <class Parse, class Value>
CLI::callback_t converted_by(const Parse& parse, Value& value) {
  return [parse, &value](const CLI::results_t& words) {
    auto parsed = parse(words.at(0));
    if (!parsed) throw CLI::ValidationError(parsed.error().text);
    value = *parsed;
    return true;
  };
}

// Breaks the text into lines that fit beside the column of names.
std::string wrapped(const std::string& text) {
  constexpr std::size_t kWidth = 66;
  std::istringstream words(text);
  std::string result;
  std::size_t line_begin = 0;
  for (std::string word; words >> word;) {
    if (!result.empty()) {
      const bool fits = result.size() - line_begin + 1 + word.size() <= kWidth;
      result += fits ? ' ' : '\n';
      if (!fits) line_begin = result.size();
    }
    result += word;
  }
  return result;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

struct ArgumentParser::Impl {
  explicit Impl(const Verb& of) : verb(of) {}
  Verb verb;
  CLI::App app;
  std::vector<std::vector<const CLI::Option*>> exclusive;  // groups of which one may be given

  // Names that become addresses when all words are known, the folder of --config among them.
  using Find = Result<std::string> (*)(const std::string& named, const std::string& config_folder);
  void find_later(std::string& value, Find find);
  std::vector<std::function<Status(const std::string& config_folder)>> finders;
  const std::string* config_folder = nullptr;
};

void ArgumentParser::Impl::find_later(std::string& value, Find find) {
  finders.emplace_back([&value, find](const std::string& folder) -> Status {
    value = DD_TRY(find(value, folder));
    return {};
  });
}

ArgumentParser::ArgumentParser(const Verb& verb) : impl_(std::make_unique<Impl>(verb)) {
  CLI::App& app = impl_->app;
  app.name(std::string("ddsnap ") + verb.name);
  app.description(verb.summary);
  app.formatter(std::make_shared<HelpFormatter>(verb.usage));
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_flag("--version")->description("Print the version and exit");
}

ArgumentParser::~ArgumentParser() = default;

void ArgumentParser::object(const std::string& name, std::string& value, const std::string& help,
                            Need need) {
  impl_->app.add_option(name, value, wrapped(help))
      ->required(need == Need::kRequired)
      ->type_name("")
      ->option_text(" ");
}

void ArgumentParser::objects(const std::string& name, std::vector<std::string>& values,
                             const std::string& help, Need need) {
  impl_->app.add_option(name, values, wrapped(help))
      ->required(need == Need::kRequired)
      ->type_name("")
      ->option_text(" ");
}

void ArgumentParser::server(std::string& value) {
  object("SERVER", value, kServerHelp);
  impl_->find_later(value, server_address);
}

void ArgumentParser::servers(std::vector<std::string>& values, const std::string& help) {
  objects("SERVER", values, help, Need::kOptional);
  impl_->finders.emplace_back([&values](const std::string& folder) -> Status {
    for (std::string& value : values) value = DD_TRY(server_address(value, folder));
    return {};
  });
}

void ArgumentParser::device(const std::string& name, std::string& value, Need need) {
  object(name, value, kDeviceHelp, need);
  impl_->find_later(value, device_address);
}

void ArgumentParser::volume_or_device(const std::string& name, std::string& value,
                                      const std::string& help, Need need) {
  object(name, value, help, need);
  impl_->find_later(value, ddsnap::volume_or_device);
}

void ArgumentParser::device_option(const std::string& names, std::string& value,
                                   const std::string& help) {
  text_option(names, "DEV", value, help);
  impl_->find_later(value, device_address);
}

void ArgumentParser::config_option(std::string& folder) {
  text_option("--config", "DIR", folder, kConfigHelp);
  impl_->config_folder = &folder;
}

void ArgumentParser::flag(const std::string& names, bool& value, const std::string& help) {
  impl_->app.add_flag(names, value, wrapped(help));
}

void ArgumentParser::text_option(const std::string& names, const std::string& value_name,
                                 std::string& value, const std::string& help) {
  impl_->app.add_option(names, value, wrapped(help))->option_text(value_name);
}

void ArgumentParser::text_list_option(const std::string& names, const std::string& value_name,
                                      std::vector<std::string>& values, const std::string& help) {
  impl_->app.add_option(names, values, wrapped(help))
      ->option_text(value_name)
      ->allow_extra_args(false);
}

void ArgumentParser::size_option(const std::string& names, std::uint64_t& bytes,
                                 const std::string& help) {
  impl_->app.add_option(names, converted_by(parse_size, bytes), wrapped(help))->option_text("SIZE");
}

void ArgumentParser::chunk_option(const std::string& names, unsigned& chunk_shift,
                                  const std::string& help) {
  impl_->app.add_option(names, converted_by(parse_chunk_size, chunk_shift), wrapped(help))
      ->option_text("SIZE");
}

void ArgumentParser::number_option(const std::string& names, int lowest, int highest, int& value,
                                   const std::string& help) {
  const auto parse = [names, lowest, highest](const std::string& text) {
    return parse_number(names, text, lowest, highest);
  };
  impl_->app.add_option(names, converted_by(parse, value), wrapped(help))
      ->option_text(fmt::format("{}..{}", lowest, highest));
}

void ArgumentParser::exclude_each_other(std::span<const char* const> names) {
  // CLI11's own exclusion would fill the help with it.
  std::vector<const CLI::Option*>& group = impl_->exclusive.emplace_back();
  for (const char* const name : names) group.push_back(impl_->app.get_option(name));
}

void ArgumentParser::afterword(const std::string& text) {
  impl_->app.footer(text);
}

void ArgumentParser::check_exclusive() const {
  for (const auto& group : impl_->exclusive) {
    const CLI::Option* given = nullptr;
    for (const CLI::Option* option : group) {
      if (option->count() == 0) continue;
      if (given != nullptr) throw CLI::ExcludesError(given->get_name(), option->get_name());
      given = option;
    }
  }
}

Result<bool> ArgumentParser::parse(Arguments arguments) {
  if (std::find(arguments.begin(), arguments.end(), "--version") != arguments.end()) {
    fmt::print("ddsnap {}\n", DDSNAP_VERSION);
    return false;
  }
  try {
    impl_->app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    check_exclusive();
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", impl_->app.help());
    return false;
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kUsage, fmt::format("{0}: {1}; see 'ddsnap {0} --help'",
                                               impl_->verb.name, one_line(error.what())));
  }
  const std::string folder =
      impl_->config_folder != nullptr ? *impl_->config_folder : default_config_folder();
  for (const auto& find : impl_->finders) DD_TRY(find(folder));
  return true;
}

Result<int> parse_number(const std::string& name, const std::string& text, int lowest,
                         int highest) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const bool has_plus = text.starts_with('+') && !text.starts_with("+-");
  const auto [stop, error] = std::from_chars(text.data() + (has_plus ? 1 : 0), end, value);
  if (error != std::errc{} || stop != end || value < lowest || value > highest)
    return fail(ErrorCode::kUsage, fmt::format("{}: '{}' is not a whole number from {} to {}", name,
                                               text, lowest, highest));
  return value;
}

}  // namespace ddsnap

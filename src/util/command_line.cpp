// SPDX-License-Identifier: Apache-2.0
#include "util/command_line.hpp"

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

namespace bottle {
namespace {

// The subcommand that the command line chose, as deep as it goes.
const CLI::App& chosen(const CLI::App& app) {
  const std::vector<CLI::App*> subcommands = app.get_subcommands();
  return subcommands.empty() ? app : chosen(*subcommands.front());
}

void collect_options(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      names.push_back("--" + name);
    for (const std::string& name : option->get_snames())
      names.push_back("-" + name);
  }
  if (app.get_fallthrough() && app.get_parent() != nullptr) collect_options(*app.get_parent(), names);
}

// An option that may be repeated takes one value each time: CLI11's lists take all that follows, and
// "--certs DIR REF" would leave no REF.
void take_one_value_each(CLI::App& app) {
  for (CLI::Option* option : app.get_options([](CLI::Option* one) { return one->nonpositional(); }))
    if (option->get_items_expected_max() > 1) option->allow_extra_args(false);
  for (CLI::App* subcommand : app.get_subcommands([](CLI::App*) { return true; }))
    take_one_value_each(*subcommand);
}

// A string of JSON. Descriptions are UTF-8 without control characters except line breaks.
std::string json_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result + '"';
}

template <typename Items, typename Function>
std::string list(const Items& items, const Function& text) {
  std::string result;
  for (const auto& item : items)
    result += (result.empty() ? "" : ",") + text(item);
  return "[" + result + "]";
}

// {"names", "value", "words", "optional", "repeatable", "description"}: what completions and documentation
// need of an option or a positional argument.
std::string describe_option(const CLI::Option* option) {
  std::vector<std::string> names;
  for (const std::string& name : option->get_snames())
    names.push_back("-" + name);
  for (const std::string& name : option->get_lnames())
    names.push_back("--" + name);
  // CLI11 appends the words of a check to the name of the type: "FORM:{key,text}".
  std::string value = option->get_items_expected_max() == 0 ? "" : option->get_type_name();
  std::vector<std::string> words;
  if (const std::size_t check = value.find(":{"); check != std::string::npos && value.back() == '}') {
    const std::string joined = value.substr(check + 2, value.size() - check - 3);
    for (const std::string_view word : split(joined, ','))
      words.emplace_back(word);
    value.resize(check);
  } else if (const std::size_t range = value.find(":UINT"); range != std::string::npos) {
    value.resize(range);
  }
  return "{\"names\":" + list(names, json_string) + ",\"value\":" + json_string(value) +
         ",\"words\":" + list(words, json_string) +
         ",\"optional\":" + (option->get_items_expected_min() == 0 ? "true" : "false") +
         ",\"repeatable\":" + (option->get_items_expected_max() > 1 ? "true" : "false") +
         ",\"description\":" + json_string(option->get_description()) + "}";
}

std::string describe_command(const CLI::App* app) {
  std::vector<const CLI::Option*> options;
  std::vector<const CLI::Option*> arguments;
  for (const CLI::Option* option : app->get_options())
    (option->nonpositional() ? options : arguments).push_back(option);
  return "{\"name\":" + json_string(app->get_name()) +
         ",\"description\":" + json_string(app->get_description()) +
         ",\"inherits\":" + (app->get_fallthrough() ? "true" : "false") +
         ",\"options\":" + list(options, describe_option) +
         ",\"arguments\":" + list(arguments, describe_option) + ",\"commands\":" +
         list(app->get_subcommands([](const CLI::App*) { return true; }), describe_command) + "}";
}

// CLI11 reads `file` of "--flie file" as a further unexpected argument; the option is the mistake.
std::string mistaken(const std::vector<std::string>& extra) {
  for (const std::string& argument : extra)
    if (argument.size() > 1 && argument.front() == '-' && argument != "--")
      return argument.substr(0, argument.find('='));
  return extra.front();
}

[[noreturn]] void fail(const CLI::App& app, std::string message) {
  const CLI::App& at = chosen(app);
  std::string command = app.get_name();
  if (&at != &app) command += " " + at.get_name();
  std::string hint = "see " + command + " --help";

  const std::vector<std::string> extra = app.remaining(true);
  if (!extra.empty()) {
    const std::string word = mistaken(extra);
    const bool option = word.front() == '-';
    std::vector<std::string> candidates;
    if (option) {
      collect_options(at, candidates);
    } else {
      for (const CLI::App* subcommand : at.get_subcommands([](const CLI::App*) { return true; }))
        candidates.push_back(subcommand->get_name());
    }
    if (option)
      message = "unknown option " + word;
    else if (!candidates.empty())
      message = "unknown command \"" + word + "\"";
    else
      message = "unexpected argument \"" + word + "\"";
    if (const auto near = nearest(word, candidates)) hint = "did you mean " + *near + "? " + hint;
  }
  throw UsageError(message, {.hint = hint});
}

}  // namespace

Option Option::required() const {
  option_->required();
  return *this;
}

Option Option::excludes(Option other) const {
  option_->excludes(other.option_);
  return *this;
}

Option Option::needs(const std::string& name) const {
  option_->needs(name);
  return *this;
}

Option Option::one_of(std::vector<std::string> words) const {
  option_->check(CLI::IsMember(std::move(words)));
  return *this;
}

Option Option::suggests(std::vector<std::string> words) const {
  std::string joined;
  for (const std::string& word : words)
    joined += (joined.empty() ? "" : ",") + word;
  option_->check(CLI::Validator([](std::string&) { return std::string(); }, "{" + joined + "}"));
  return *this;
}

Option Option::within(unsigned least, unsigned most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option Option::with_optional_value() const {
  option_->expected(0, 1);
  return *this;
}

Option Option::type_name(const std::string& name) const {
  option_->type_name(name);
  return *this;
}

Option Option::show_default() const {
  option_->capture_default_str();
  return *this;
}

Option Option::group(const std::string& heading) const {
  option_->group(heading);
  return *this;
}

bool Option::given() const {
  return option_ != nullptr && option_->count() > 0;
}

Subcommand Subcommand::add_subcommand(const std::string& name, const std::string& description) const {
  return Subcommand(app_->add_subcommand(name, description));
}

void Subcommand::require_subcommand() const {
  app_->require_subcommand(1);
}

template <typename Value>
Option Subcommand::add_option(const std::string& names, Value& value, const std::string& description) const {
  return Option(app_->add_option(names, value, description));
}

template Option Subcommand::add_option(const std::string&, std::string&, const std::string&) const;
template Option Subcommand::add_option(const std::string&, std::vector<std::string>&,
                                       const std::string&) const;
template Option Subcommand::add_option(const std::string&, int&, const std::string&) const;
template Option Subcommand::add_option(const std::string&, unsigned&, const std::string&) const;
template Option Subcommand::add_option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Subcommand::add_option(const std::string&, std::optional<std::uint64_t>&,
                                       const std::string&) const;
template Option Subcommand::add_option(const std::string&, std::optional<std::string>&,
                                       const std::string&) const;

Option Subcommand::add_flag(const std::string& names, bool& value, const std::string& description) const {
  return Option(app_->add_flag(names, value, description));
}

void Subcommand::group_options(const std::string& heading) const {
  const CLI::Option* help = app_->get_help_ptr();
  const std::string without = help->get_group();
  for (CLI::Option* option : app_->get_options())
    if (option != help && option->nonpositional() && option->get_group() == without &&
        !option->check_lname("version") && !option->check_lname("quiet") && !option->check_lname("json"))
      option->group(heading);
}

Option Subcommand::option(const std::string& name) const {
  return Option(app_->get_option(name));
}

void Subcommand::when_chosen(std::function<void()> add) const {
  app_->preparse_callback([add = std::move(add), app = app_](std::size_t) {
    add();
    take_one_value_each(*app);
  });
}

Subcommand Subcommand::footer(const std::string& text) const {
  app_->footer(text);
  return *this;
}

bool Subcommand::parsed() const {
  return app_ != nullptr && app_->parsed();
}

CommandLine::CommandLine(const std::string& description, const std::string& name)
    : owned_(std::make_unique<CLI::App>(description, name)) {
  app_ = owned_.get();
}

CommandLine::~CommandLine() = default;

void CommandLine::add_common_options(CommonOptions& options) {
  app_->set_version_flag("--version", app_->get_name() + " " BOTTLE_VERSION, "Print the version and exit");
  app_->add_flag("-q,--quiet", options.quiet, "Print errors and results only");
  app_->add_flag("--json", options.json, "Print the result as JSON");
  app_->fallthrough();  // inherited by the subcommands that are added later
}

void CommandLine::describe(std::ostream& out) {
  // Options that when_chosen() adds are there after a command line names the subcommand.
  for (const CLI::App* subcommand : app_->get_subcommands([](const CLI::App*) { return true; })) {
    try {
      app_->parse(std::vector<std::string>{"--help", subcommand->get_name()});  // reversed
    } catch (const CLI::Error&) {                                               // it asks for help
    }
  }
  out << describe_command(app_) << std::endl;
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv) {
  if (argc == 2 && std::string_view(argv[1]) == kDescribe) {
    describe(std::cout);
    return 0;
  }
  try {
    take_one_value_each(*app_);
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& success) {  // --help, --version
    const int status = app_->exit(success, std::cout, std::cerr);
    std::cout.flush();
    if (!std::cout) throw_errno("cannot write", "standard output");
    return status;
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    while (!message.empty() && (message.back() == '\n' || message.back() == '.'))
      message.pop_back();
    fail(*app_, message);
  }
}

bool use_color(int descriptor) {
  if (!environment::value(environment::kNoColor).empty()) return false;
  if (environment::find(environment::kTerm).value_or("dumb") == "dumb") return false;
  return ::isatty(descriptor) == 1;
}

namespace {

struct Amount {
  double value;
  std::string_view unit;
};

std::optional<Amount> split_amount(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string number(text.substr(0, end));
  if (number.empty() || number.front() == '.' || number.back() == '.') return std::nullopt;
  if (number.find('.') != number.rfind('.') || number.size() > 18) return std::nullopt;
  // Not strtod: the decimal point of the locale must not matter.
  const std::size_t point = std::min(number.find('.'), number.size());
  double value = static_cast<double>(*parse_unsigned(number.substr(0, point)));
  if (point < number.size()) {
    const std::string fraction = number.substr(point + 1);
    double divisor = 1;
    for (std::size_t i = 0; i < fraction.size(); ++i)
      divisor *= 10;
    value += static_cast<double>(*parse_unsigned(fraction)) / divisor;
  }
  return Amount{value, text.substr(end)};
}

std::optional<std::uint64_t> scaled(double value, double factor) {
  const double result = value * factor;
  if (result >= 9.2e18) return std::nullopt;
  return static_cast<std::uint64_t>(result);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto amount = split_amount(text);
  if (!amount) return std::nullopt;
  std::string_view unit = amount->unit;
  if (unit.empty() || unit == "B") return scaled(amount->value, 1);
  constexpr std::string_view kUnits = "KMGT";
  const char first = unit.front() == 'k' ? 'K' : unit.front();
  const std::size_t power = kUnits.find(first);
  unit.remove_prefix(1);
  if (power == std::string_view::npos || !(unit.empty() || unit == "B" || unit == "iB")) return std::nullopt;
  return scaled(amount->value, static_cast<double>(std::uint64_t{1} << (10 * (power + 1))));
}

std::optional<std::uint64_t> parse_duration(std::string_view text) {
  const auto amount = split_amount(text);
  if (!amount) return std::nullopt;
  if (amount->unit.empty() || amount->unit == "s") return scaled(amount->value, 1);
  if (amount->unit == "m") return scaled(amount->value, 60);
  if (amount->unit == "h") return scaled(amount->value, 60.0 * 60);
  if (amount->unit == "d") return scaled(amount->value, 24.0 * 60 * 60);
  if (amount->unit == "w") return scaled(amount->value, 7 * 24.0 * 60 * 60);
  return std::nullopt;
}

}  // namespace bottle

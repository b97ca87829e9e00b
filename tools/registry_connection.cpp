// SPDX-License-Identifier: Apache-2.0
#include "registry_connection.hpp"

#include <unistd.h>

#include <chrono>
#include <iostream>

#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::tools {

void Connection::add_to(Subcommand command) {
  command.group_options("Content");
  command.add_flag("--plain-http", options.plain_http, "Use plain HTTP (always used for loopback)");
  command.add_flag("--tls", options.tls, "Use TLS for loopback too");
  command
      .add_option(
          "--auth-file", auth_file,
          "Read credentials, in the form of Docker's config.json, from FILE (default: Docker's files)")
      .type_name("FILE");
  command.add_option("--certs", certificates, "Read certificates from DIR instead of /etc/docker/certs.d")
      .type_name("DIR");
  command.add_option("--timeout", timeout, "Give up a connection after TIME without progress")
      .type_name("TIME")
      .show_default();
  command.add_option("--retries", retries, "Retry temporary failures N times").type_name("N").show_default();
  command.add_option("--threads", options.threads, "Transfer N blobs at once").type_name("N").show_default();
  command.group_options("Connection");
}

registry::Client Connection::client(const std::string& work) const {
  registry::ClientOptions result = options;
  result.auth_file = auth_file;
  const auto seconds = parse_duration(timeout);
  if (!seconds || *seconds == 0)
    throw UsageError("--timeout: expected a length of time, found \"" + timeout + '"');
  result.http.idle_timeout = std::chrono::seconds(*seconds);
  result.http.connect_timeout = std::min(result.http.connect_timeout, result.http.idle_timeout);
  result.http.request_timeout = std::min(result.http.request_timeout, 4 * result.http.idle_timeout);
  result.http.retry.attempts = retries + 1;
  for (const std::string& directory : certificates)
    result.http.certificate_directories.emplace_back(directory);
  if (result.threads == 0) result.threads = 1;
  if (!work.empty()) result.progress = std::make_shared<Progress>(STDERR_FILENO, work);
  return registry::Client(result);
}

std::optional<oci::Platform> parse_platform(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto parts = split(text, '/');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
    throw UsageError("--platform: expected <os>/<architecture>[/<variant>], found \"" + text + '"');
  return oci::Platform{.os = std::string(parts[0]),
                       .architecture = std::string(parts[1]),
                       .variant = parts.size() > 2 ? std::string(parts[2]) : ""};
}

void print(const OrderedJson& json) {
  std::cout << json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
}

}  // namespace bottle::tools

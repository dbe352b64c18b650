// What all verbs of a volume's jobs are told: its name, where the configurations lie, and, for
// tests, what time it is.
//
// Errors    load(): as load_job_config(). now_s(): kUsage for a time that is none.
// Threads   A plain value.
#pragma once

#include <cstdint>
#include <string>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/unit_name.h"
#include "ddsnap/replica/job_config.h"

namespace ddsnap {

class JobOptions {
 public:
  // The object NAME is declared here, too.
  void declare(ArgumentParser& parser);
  // A unit's instance, escaped, names the volume too.
  Result<JobConfig> load() const { return load_job_config(folder_, volume_of_instance(name_)); }
  Result<std::int64_t> now_s() const;
  std::string path() const { return folder_ + "/" + name_ + ".conf"; }

 private:
  std::string name_;
  std::string folder_ = default_config_folder();
  std::string now_;
};

}  // namespace ddsnap

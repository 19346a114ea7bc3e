//! A domain's life at the reference: which step of the relabeller each step of a case is.

use std::path::PathBuf;

use qconform_scenarios::case::{CommitAsk, LabelConfig, SECOND_CATEGORY_PAIR, Step, StepAsk};

use super::{Declined, Tamper, label_config, parse, plan_chain, rejected};
use crate::reference::chain::{Chain, Resolver};
use crate::reference::domain::Domain;
use crate::reference::label::{
    ApplyError, Changed, Commit, Config, Intent, Plan, Relabeller, Running, Side, Stopped,
};

/// What stands for the host that a domain migrates to.
const OTHER_HOST: &str = "other-host";

/// Which domains run, and with which files.
#[derive(Debug, Default)]
pub(super) struct Life {
    here: Option<Running>,
    /// The same domain at the host that it migrates to.
    there: Option<Running>,
    second: Option<Running>,
    /// What a relabeller that was killed left for the next one.
    status: Option<String>,
}

/// One step with everything that it takes to plan it.
struct Asked<'a> {
    ask: &'a StepAsk,
    config: &'a LabelConfig,
    resolver: &'a Resolver<'a>,
    tamper: Option<&'a Tamper>,
}

type Result<T> = std::result::Result<T, Declined>;

impl Life {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.here.as_mut()
    }

    pub(super) fn step(
        &mut self,
        ask: &StepAsk,
        config: &LabelConfig,
        resolver: &Resolver<'_>,
        tamper: Option<&Tamper>,
    ) -> Result<()> {
        let asked = Asked {
            ask,
            config,
            resolver,
            tamper,
        };
        match ask.step {
            Step::Start | Step::Restore => self.here = Some(asked.start()?),
            Step::FailStart | Step::SecondFailStart => {
                let running = asked.start()?;
                done(&Relabeller::default().abort(&running))?;
            }
            Step::Stop | Step::Save => self.stop()?,
            Step::Attach
            | Step::Detach
            | Step::ChangeMedium
            | Step::Snapshot
            | Step::Commit
            | Step::CommitEnd
            | Step::Pivot
            | Step::PivotBack
            | Step::Recreate => self.change(&asked)?,
            Step::FailAttach => self.fail_attach(&asked)?,
            Step::MigrateIn => self.there = Some(asked.arrive()?),
            Step::MigrateOut => {
                let here = running(&mut self.here)?;
                done(&Relabeller::default().leave(&here))?;
            }
            Step::MigrateFail => {
                let there = running(&mut self.there)?;
                done(&Relabeller::default().abort(&there))?;
            }
            Step::Crash => self.crash()?,
            Step::Restart => self.restart()?,
            Step::SecondStart => self.second = Some(asked.start()?),
            Step::SecondStop => {
                let second = running(&mut self.second)?;
                done(&Relabeller::default().stop(&second))?;
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        // After a migration the domain is where it arrived.
        let running = match self.there.take() {
            Some(there) => there,
            None => running(&mut self.here)?,
        };
        done(&Relabeller::default().stop(&running))
    }

    fn change(&mut self, asked: &Asked<'_>) -> Result<()> {
        let intent = asked.intent(self.here.as_ref())?;
        let Changed { running, stopped } = Relabeller::default()
            .change(&intent)
            .map_err(|error| not_applied(&error))?;
        self.here = Some(running);
        done(&stopped)
    }

    fn fail_attach(&mut self, asked: &Asked<'_>) -> Result<()> {
        let intent = asked.intent(self.here.as_ref())?;
        let relabeller = Relabeller::default();
        let changed = relabeller.change(&intent);
        let changed = changed.map_err(|error| not_applied(&error))?;
        let intent = Intent {
            after: changed.running,
            ..intent
        };
        let back = relabeller.recover(&intent, Side::Before);
        let back = back.map_err(|error| not_applied(&error))?;
        self.here = Some(back.running);
        done(&back.stopped)
    }

    /// Nothing survives but what the relabeller wrote down.
    fn crash(&mut self) -> Result<()> {
        let here = running(&mut self.here)?;
        let status = serde_json::to_string(&here);
        self.status = Some(status.map_err(|error| rejected("status", error.to_string()))?);
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        let status = self.status.take();
        let status = status.ok_or_else(|| rejected("not-crashed", "nobody was killed"))?;
        let found: Running =
            serde_json::from_str(&status).map_err(|error| rejected("status", error.to_string()))?;
        let intent = Intent {
            before: found.clone(),
            after: found,
        };
        let recovered = Relabeller::default().recover(&intent, Side::Before);
        let recovered = recovered.map_err(|error| not_applied(&error))?;
        self.here = Some(recovered.running);
        done(&recovered.stopped)
    }
}

impl Asked<'_> {
    fn label_config(&self) -> Config {
        let mut config = label_config(self.config);
        if self.ask.step.is_of_second() {
            config.category_pair = Some(SECOND_CATEGORY_PAIR);
        }
        config
    }

    fn start(&self) -> Result<Running> {
        let domain = parse(&self.ask.xml)?;
        let plan = self.plan(&domain)?;
        Relabeller::default()
            .start(&plan, &self.label_config(), &domain.id())
            .map_err(|error| not_applied(&error))
    }

    fn arrive(&self) -> Result<Running> {
        let domain = parse(&self.ask.xml)?;
        let plan = self.plan(&domain)?;
        let config = Config {
            host: OTHER_HOST.to_owned(),
            ..self.label_config()
        };
        Relabeller::default()
            .arrive(&plan, &config, &domain.id())
            .map_err(|error| not_applied(&error))
    }

    /// What a running domain is about to use. Only the disk that changes is looked at again: the
    /// other disks' headers are the guest's by now.
    fn intent(&self, before: Option<&Running>) -> Result<Intent> {
        let before = before.ok_or_else(not_running)?.clone();
        let disk = self.ask.disk.as_deref();
        let disk = disk.ok_or_else(|| rejected("no-disk", "the step is about no disk"))?;
        let mut domain = parse(&self.ask.xml)?;
        domain.disks.retain(|other| other.target == disk);
        let after = if domain.disks.is_empty() {
            before.without_disk(disk)
        } else {
            before.with_disk(disk, &self.plan(&domain)?)
        };
        Ok(Intent { before, after })
    }

    fn plan(&self, domain: &Domain) -> Result<Plan> {
        let mut chain = super::chain(domain, self.resolver)?;
        if let Some(commit) = &self.ask.commit {
            self.open(commit, &mut chain)?;
        }
        let mut plan = plan_chain(domain, &chain, &self.label_config())?;
        if let Some(tamper) = self.tamper {
            tamper(self.ask.step, self.config, &mut plan);
        }
        Ok(plan)
    }

    fn open(&self, commit: &CommitAsk, chain: &mut Chain) -> Result<()> {
        let commit = Commit {
            disk: self.ask.disk.clone().unwrap_or_default(),
            base: PathBuf::from(&commit.base),
            top: commit.top.as_ref().map(PathBuf::from),
        };
        commit
            .open(chain)
            .map_err(|error| rejected(error.class(), error.to_string()))
    }
}

fn running(slot: &mut Option<Running>) -> Result<Running> {
    slot.take().ok_or_else(not_running)
}

fn not_running() -> Declined {
    rejected("not-running", "the domain isn't running")
}

fn not_applied(error: &ApplyError) -> Declined {
    rejected(error.class.as_str(), error.to_string())
}

fn done(stopped: &Stopped) -> Result<()> {
    match stopped.errors.first() {
        None => Ok(()),
        Some(error) => Err(not_applied(error)),
    }
}

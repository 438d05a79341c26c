//! Translates functions as a compiler's frontend would make them: values become variables, which
//! `cranelift-frontend` turns into values again, and spills around calls where a collector has to
//! find them.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, Function, Inst, InstBuilder, InstBuilderBase, InstructionData,
    JumpTableData, Value,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::collections::{HashMap, HashSet};

/// Returns a function that does the same. The values in `references`, by number, are declared to need
/// stack maps. `late` seals blocks at the end, and else each as soon as it has all predecessors. A
/// function with exception tables, which are not translated, is returned as it is.
pub fn translate(
    function: &Function,
    references: &HashSet<u32>,
    late: bool,
    config: TargetFrontendConfig,
) -> Function {
    if !function.dfg.exception_tables.is_empty() || function.layout.entry_block().is_none() {
        return function.clone();
    }
    // Slots, signatures, callees and pools stay; blocks are made anew.
    let mut made = function.clone();
    made.layout.clear();
    let mut context = FunctionBuilderContext::new();
    let mut translator = Translator {
        function,
        builder: FunctionBuilder::new(&mut made, &mut context),
        variables: HashMap::new(),
        blocks: SecondaryMap::new(),
        missing: SecondaryMap::new(),
        late,
    };
    translator.declare(references);
    translator.translate();
    translator.builder.finalize(config);
    made
}

struct Translator<'a> {
    function: &'a Function,
    builder: FunctionBuilder<'a>,
    variables: HashMap<Value, Variable>,
    /// The new block of each block.
    blocks: SecondaryMap<Block, Option<Block>>,
    /// How many branches to a block are not translated yet.
    missing: SecondaryMap<Block, usize>,
    late: bool,
}

impl Translator<'_> {
    fn declare(&mut self, references: &HashSet<u32>) {
        let function = self.function;
        for block in function.layout.blocks() {
            let made = self.builder.create_block();
            self.blocks[block] = Some(made);
            if function.layout.is_cold(block) {
                self.builder.set_cold_block(made);
            }
            self.declare_values(function.dfg.block_params(block), references);
            for inst in function.layout.block_insts(block) {
                self.declare_values(function.dfg.inst_results(inst), references);
                for call in self.targets(inst) {
                    self.missing[call.block(&function.dfg.value_lists)] += 1;
                }
            }
        }
        if !self.late {
            self.seal_unreached();
        }
    }

    /// Seals the blocks to which no branch goes: the entry, and dead ones.
    fn seal_unreached(&mut self) {
        for block in self.function.layout.blocks() {
            if self.missing[block] == 0 {
                let made = self.block(block);
                self.builder.seal_block(made);
            }
        }
    }

    fn declare_values(&mut self, values: &[Value], references: &HashSet<u32>) {
        for value in values {
            let kind = self.function.dfg.value_type(*value);
            let variable = self.builder.declare_var(kind);
            if references.contains(&value.as_u32()) {
                self.builder.declare_var_needs_stack_map(variable);
            }
            self.variables.insert(*value, variable);
        }
    }

    fn targets(&self, inst: Inst) -> Vec<BlockCall> {
        let dfg = &self.function.dfg;
        dfg.insts[inst]
            .branch_destination(&dfg.jump_tables, &dfg.exception_tables)
            .to_vec()
    }

    fn translate(&mut self) {
        let function = self.function;
        for block in function.layout.blocks() {
            let made = self.block(block);
            self.builder.switch_to_block(made);
            if function.layout.entry_block() == Some(block) {
                self.builder.append_block_params_for_function_params(made);
                let params = self.builder.block_params(made).to_vec();
                self.define(function.dfg.block_params(block), &params);
            }
            for inst in function.layout.block_insts(block) {
                self.instruction(inst);
            }
        }
        if self.late {
            self.builder.seal_all_blocks();
        }
    }

    fn block(&self, block: Block) -> Block {
        self.blocks[block].expect("it is in the layout")
    }

    fn value(&mut self, value: Value) -> Value {
        let value = self.function.dfg.resolve_aliases(value);
        self.builder.use_var(self.variables[&value])
    }

    fn define(&mut self, values: &[Value], made: &[Value]) {
        for (value, made) in values.iter().zip(made) {
            self.builder.def_var(self.variables[value], *made);
        }
    }

    fn instruction(&mut self, inst: Inst) {
        let function = self.function;
        self.builder.set_srcloc(function.srcloc(inst));
        let targets = self.targets(inst);
        match function.dfg.insts[inst] {
            InstructionData::Jump { destination, .. } => self.go(destination),
            InstructionData::Brif { arg, .. } => {
                let condition = self.value(arg);
                let [then, otherwise] = [0, 1].map(|_| self.builder.create_block());
                self.builder
                    .ins()
                    .brif(condition, then, &[], otherwise, &[]);
                self.edges(&[then, otherwise], &targets);
            }
            InstructionData::BranchTable { arg, .. } => {
                let index = self.value(arg);
                let made: Vec<Block> = targets
                    .iter()
                    .map(|_| self.builder.create_block())
                    .collect();
                let pool = &mut self.builder.func.dfg.value_lists;
                let calls: Vec<BlockCall> = made
                    .iter()
                    .map(|block| BlockCall::new(*block, [], pool))
                    .collect();
                let table = JumpTableData::new(calls[0], &calls[1..]);
                let table = self.builder.create_jump_table(table);
                self.builder.ins().br_table(index, table);
                self.edges(&made, &targets);
            }
            _ => self.other(inst),
        }
    }

    /// Fills the blocks that a branch goes to with what it passes, and jumps to its targets.
    fn edges(&mut self, made: &[Block], targets: &[BlockCall]) {
        for (block, target) in made.iter().zip(targets) {
            self.builder.switch_to_block(*block);
            if !self.late {
                self.builder.seal_block(*block);
            }
            self.go(*target);
        }
    }

    /// Defines the parameters of a block, and jumps to it.
    fn go(&mut self, target: BlockCall) {
        let pool = &self.function.dfg.value_lists;
        let block = target.block(pool);
        // All are read before one is defined: a block may pass its own parameters, permuted.
        let passed: Vec<Value> = target
            .args(pool)
            .filter_map(|argument| match argument {
                BlockArg::Value(value) => Some(value),
                _ => None,
            })
            .collect();
        let passed: Vec<Value> = passed.into_iter().map(|each| self.value(each)).collect();
        self.define(self.function.dfg.block_params(block), &passed);
        let made = self.block(block);
        self.builder.ins().jump(made, &[]);
        self.missing[block] -= 1;
        if !self.late && self.missing[block] == 0 {
            self.builder.seal_block(made);
        }
    }

    fn other(&mut self, inst: Inst) {
        let dfg = &self.function.dfg;
        let args: Vec<Value> = dfg.inst_args(inst).to_vec();
        let args: Vec<Value> = args.into_iter().map(|each| self.value(each)).collect();
        // The old instruction is not in the layout: it can be changed.
        let made = &mut self.builder.func.dfg;
        made.inst_args_mut(inst).copy_from_slice(&args);
        let data = made.insts[inst];
        let (new, _) = self.builder.ins().build(data, dfg.ctrl_typevar(inst));
        for entry in dfg.user_stack_map_entries(inst).unwrap_or_default() {
            let entry = entry.clone();
            self.builder
                .func
                .dfg
                .append_user_stack_map_entry(new, entry);
        }
        let results = self.builder.inst_results(new).to_vec();
        self.define(dfg.inst_results(inst), &results);
    }
}
